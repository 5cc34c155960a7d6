//! The page's files, which `build.rs` lists: those of `apps/studio/dist`, or none where nobody built it.

use antiphon_transport::page::PageFile;

include!(concat!(env!("OUT_DIR"), "/page.rs"));
