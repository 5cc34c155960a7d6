//! The attention caches of prompts read before: an answer starts from the longest one that its prompt begins with.

use antiphon_core::limits::{LOCAL_PREFIX_BYTES, LOCAL_PREFIXES};

#[derive(Debug)]
struct Kept<State> {
    tokens: Vec<u32>,
    state: State,
}

/// States of the model after prefixes, the least recently used first.
#[derive(Debug)]
pub(crate) struct Prefixes<State> {
    kept: Vec<Kept<State>>,
    bytes_per_token: usize,
}

impl<State: Clone> Prefixes<State> {
    pub(crate) fn new(bytes_per_token: usize) -> Self {
        Self { kept: Vec::new(), bytes_per_token }
    }

    /// The state after the longest kept prefix that leaves at least one of `tokens` to read, and that prefix's length.
    pub(crate) fn longest(&mut self, tokens: &[u32]) -> Option<(usize, State)> {
        // All that fit have been of use, the shorter ones as the way to the longest.
        let fits = |kept: &Kept<State>| kept.tokens.len() < tokens.len() && tokens.starts_with(&kept.tokens);
        self.kept.sort_by_key(|kept| if fits(kept) { kept.tokens.len() } else { 0 });
        self.kept.last().filter(|kept| fits(kept)).map(|kept| (kept.tokens.len(), kept.state.clone()))
    }

    /// Keeps the state after `tokens`. It takes the place of shorter prefixes of them, but not of the first `root`
    /// tokens (the system message), which other conversations begin with too.
    pub(crate) fn keep(&mut self, tokens: &[u32], root: usize, state: &State) {
        let bytes = |count: usize| count.saturating_mul(self.bytes_per_token);
        if bytes(tokens.len()) > LOCAL_PREFIX_BYTES {
            return;
        }
        self.kept.retain(|kept| kept.tokens.len() <= root || !tokens.starts_with(&kept.tokens));
        self.kept.retain(|kept| kept.tokens != tokens);
        self.kept.push(Kept { tokens: tokens.to_vec(), state: state.clone() });
        while self.kept.len() > LOCAL_PREFIXES
            || bytes(self.kept.iter().map(|kept| kept.tokens.len()).sum()) > LOCAL_PREFIX_BYTES
        {
            self.kept.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_that_leaves_a_token_to_read_is_found() {
        let mut prefixes = Prefixes::new(1);
        assert_eq!(prefixes.longest(&[1, 2]), None);
        prefixes.keep(&[1, 2], 2, &"system");
        prefixes.keep(&[1, 2, 3, 4], 2, &"one");
        assert_eq!(prefixes.longest(&[1, 2, 3, 4]), Some((2, "system")));
        assert_eq!(prefixes.longest(&[1, 2, 3, 4, 5]), Some((4, "one")));
        assert_eq!(prefixes.longest(&[2, 2, 3]), None);
    }

    #[test]
    fn a_conversation_that_grows_takes_one_place_and_the_system_message_stays() {
        let mut prefixes = Prefixes::new(1);
        prefixes.keep(&[1], 1, &"system");
        for length in 2..20 {
            let tokens: Vec<u32> = (1..=length).collect();
            prefixes.longest(&tokens);
            prefixes.keep(&tokens, 1, &"conversation");
        }
        assert_eq!(prefixes.kept.len(), 2);
        assert_eq!(prefixes.longest(&[1, 9]), Some((1, "system")));
    }

    #[test]
    fn number_and_bytes_are_bounded_and_the_least_recently_used_goes() {
        let mut prefixes = Prefixes::new(LOCAL_PREFIX_BYTES / 8);
        for first in 0..8 {
            prefixes.keep(&[first], 0, &first);
            prefixes.longest(&[0, 0]);
        }
        assert_eq!(prefixes.kept.len(), LOCAL_PREFIXES);
        assert_eq!(prefixes.longest(&[0, 1]), Some((1, 0)));
        prefixes.keep(&[20, 21, 22, 23, 24, 25, 26], 0, &20);
        assert_eq!(prefixes.kept.len(), 2);
        prefixes.keep(&[0; 9], 0, &30);
        assert_eq!(prefixes.kept.len(), 2);
    }
}
