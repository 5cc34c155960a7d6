//! Whether an answer is in English, which the lexicon is made for: in German "die" is no death, in Spanish "no" no insult.

use crate::cues::Wording;

/// Words that are frequent in English and rare in the languages near it.
const ENGLISH: [&str; 44] = [
    "the", "and", "of", "to", "you", "that", "it", "it's", "is", "for", "with", "this", "are", "have", "your", "i",
    "i'm", "can", "my", "what", "be", "would", "we", "not", "will", "do", "from", "they", "which", "there", "that's",
    "you're", "about", "how", "when", "if", "or", "by", "as", "at", "on", "let's", "here", "but",
];
/// Articles and the like of other languages written in Latin letters.
const FOREIGN: [&str; 40] = [
    "der", "das", "und", "ist", "nicht", "ich", "ein", "eine", "sie", "mit", "le", "les", "des", "est", "une", "je",
    "vous", "pas", "el", "los", "las", "que", "una", "por", "es", "il", "che", "di", "per", "sono", "het", "een",
    "van", "niet", "não", "uma", "para", "og", "och", "är",
];
/// Up to so many words the absence of English ones says nothing.
const SHORT: u32 = 6;
/// At least every so-manieth word of an English text is one of [`ENGLISH`]; usually it is every third.
const RARITY: u32 = 8;

/// The words counted since a stream's start.
#[derive(Debug, Default)]
pub(crate) struct Language {
    words: u32,
    english: u32,
    foreign: u32,
}

impl Language {
    /// Takes a phrase in, and says whether the text so far may be taken for English.
    pub(crate) fn is_english(&mut self, wording: &Wording) -> bool {
        for word in wording.words() {
            self.words = self.words.saturating_add(1);
            self.english = self.english.saturating_add(u32::from(ENGLISH.contains(&word)));
            self.foreign = self.foreign.saturating_add(u32::from(FOREIGN.contains(&word)));
        }
        self.foreign <= self.english && (self.words <= SHORT || self.english.saturating_mul(RARITY) >= self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_english(text: &str) -> bool {
        Language::default().is_english(&Wording::new(text))
    }

    #[test]
    fn other_languages_are_told_from_english() {
        for text in ["Great job!", "I'm sorry to hear that you lost your keys.", "Congratulations, well done!"] {
            assert!(is_english(text), "{text}");
        }
        for text in [
            "Die Antwort ist einfach.",
            "No es un problema.",
            "Je suis désolé, le fichier est perdu.",
            "Het spijt me, dat gaat niet.",
            "Ma jutun sinulle pitkän tarinan metsästä ja järvestä.",
        ] {
            assert!(!is_english(text), "{text}");
        }
    }
}
