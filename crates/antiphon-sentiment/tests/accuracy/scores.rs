//! Accuracy and macro-averaged F1.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a method's answers come to.
pub struct Scores {
    right: usize,
    all: usize,
    /// The F1 of each label that is in the set.
    f1: Vec<f64>,
}

impl Scores {
    /// The scores of pairs of a label and an answer.
    pub fn of<L: Ord + Copy>(pairs: impl Iterator<Item = (L, L)>) -> Self {
        let mut counts = BTreeMap::<(L, L), usize>::new();
        for pair in pairs {
            *counts.entry(pair).or_default() += 1;
        }
        let sum = |wanted: &dyn Fn(L, L) -> bool| -> usize {
            counts.iter().filter(|((label, answer), _)| wanted(*label, *answer)).map(|(_, count)| count).sum()
        };
        let labels: BTreeSet<L> = counts.keys().map(|(label, _)| *label).collect();
        let f1 = labels.into_iter().map(|class| {
            let hits = sum(&|label, answer| label == class && answer == class);
            let either = sum(&|label, _| label == class) + sum(&|_, answer| answer == class);
            2.0 * hits as f64 / either as f64
        });
        Self { right: sum(&|label, answer| label == answer), all: sum(&|_, _| true), f1: f1.collect() }
    }

    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.all as f64
    }

    pub fn macro_f1(&self) -> f64 {
        self.f1.iter().sum::<f64>() / self.f1.len() as f64
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.1} % | {:.2}", 100.0 * self.accuracy(), self.macro_f1())
    }
}
