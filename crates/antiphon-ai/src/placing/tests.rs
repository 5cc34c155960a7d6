//! Markers come in at the right places, and no word is lost or changed.

use super::sentences::Sentences;
use super::*;
use crate::provider::{CallEnd, CallOutcome, Prompt, Provider, ProviderStatus, WholeAnswer};
use antiphon_markers::parse;
use futures::StreamExt;
use futures::stream;
use parking_lot::Mutex;
use proptest::prelude::*;
use std::time::Duration;

/// Answers by a sentence's first word, and late where told.
struct Director {
    asked: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl Provider for Director {
    fn stream(&self, _: Prompt) -> BoxStream<'static, Piece> {
        stream::empty().boxed()
    }

    async fn whole(&self, prompt: Prompt) -> WholeAnswer {
        let sentence = prompt.turns[0].content.clone();
        self.asked.lock().push(sentence.clone());
        let text = match sentence.split(' ').next().unwrap_or_default() {
            "Slow" => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                "[emotion:angry]"
            }
            "Yes!" => "Sure: [emotion:happy] [emotion:sad] [gesture:nod,tone:unheard-of]",
            _ => "I would not know.",
        };
        WholeAnswer { text: text.into(), reasoning: String::new(), end: CallEnd::new(CallOutcome::Complete) }
    }

    fn can_continue(&self, _: &str) -> bool {
        false
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::default()
    }
}

async fn placed(placing: &dyn Placing, texts: &[&str]) -> (String, usize) {
    let end = Piece::End(CallEnd::new(CallOutcome::Truncated { detail: "cut".into() }));
    let pieces: Vec<Piece> = texts.iter().map(|text| Piece::Text((*text).into())).chain([end.clone()]).collect();
    let mut out: Vec<Piece> = placing.place(stream::iter(pieces).boxed(), Arc::default()).collect().await;
    assert_eq!(out.pop(), Some(end), "the end comes, and last");
    let count = out.len();
    let text = |piece: Piece| if let Piece::Text(text) = piece { text } else { panic!("{piece:?}") };
    (out.into_iter().map(text).collect(), count)
}

#[tokio::test(start_paused = true)]
async fn a_second_model_gives_cues_and_no_words() {
    let director = Arc::new(Director { asked: Mutex::default() });
    let second = SecondModel::new(director.clone(), "director".into());
    let (text, _) = placed(&second, &["Yes", "! Slow one. ", "Other? [pose:idle]Mine. Yes! It", " is"]).await;
    assert_eq!(
        text,
        "[emotion:happy,gesture:nod]Yes! Slow one. Other? [pose:idle]Mine. [emotion:happy,gesture:nod]Yes! It is"
    );
    assert_eq!(*director.asked.lock(), ["Yes!", "Slow one.", "Other?", "Yes!", "It is"], "what is marked is not asked");
}

#[tokio::test]
async fn sentiment_marks_what_has_some_and_gives_all_of_it() {
    let (text, count) = placed(&Sentiment, &["I am hap", "py to see you. ", "The room is ", "on the left."]).await;
    let parsed = parse(&Vocabulary::default(), &text);
    assert_eq!(parsed.text, "I am happy to see you. The room is on the left.");
    let first = parsed.markers.first().unwrap();
    assert_eq!((first.offset, first.value.as_str()), (0, "happy"), "{text}");
    assert!(count > 1, "phrase by phrase");
}

proptest! {
    #[test]
    fn sentences_lose_nothing(pieces in prop::collection::vec("[a-z.!? \n)é]{0,12}", 0..40)) {
        let mut sentences = Sentences::default();
        let mut all = String::new();
        for piece in &pieces {
            sentences.push(piece);
            while let Some(sentence) = sentences.next() {
                prop_assert!(!sentence.is_empty());
                all.push_str(&sentence);
            }
        }
        all.extend(sentences.finish());
        prop_assert_eq!(all, pieces.concat());
    }
}
