//! Where in a Markdown text a stream stands: in prose, or inside something that no marker may be put into. Follows
//! CommonMark 0.31 for code, and is content with brackets for links.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Prose,
    /// An inline code span, or the first line of a fence, which begins like one.
    Code { ticks: usize, may_be_fence: bool },
    /// A fenced block; `closing` after a fence that may turn out to be its last.
    Fence { mark: char, length: usize, closing: bool },
    /// Square brackets: a link's text, a marker, a list of numbers.
    Bracket { depth: usize },
    /// Right after a closing bracket, where a link's target may follow.
    AfterBracket,
    /// A link's target.
    Target { depth: usize },
    /// After `<`.
    Angle,
    /// An HTML tag or an autolink.
    Tag,
}

/// The state after the characters taken so far.
#[derive(Debug)]
pub(crate) struct Markdown {
    inside: Inside,
    /// The backticks or tildes just taken.
    run: usize,
    run_mark: char,
    run_opens_line: bool,
    is_escaped: bool,
    /// Nothing of the line but indentation, quote and list marks was taken.
    opens_line: bool,
    line_is_blank: bool,
    columns: usize,
}

impl Default for Markdown {
    fn default() -> Self {
        Self {
            inside: Inside::Prose,
            run: 0,
            run_mark: '`',
            run_opens_line: false,
            is_escaped: false,
            opens_line: true,
            line_is_blank: true,
            columns: 0,
        }
    }
}

impl Markdown {
    /// True where a marker may stand: outside of everything, and not on an indented line, which may be code.
    pub(crate) fn allows_marker(&self) -> bool {
        self.is_prose() && self.columns < 4
    }

    /// True outside of everything.
    pub(crate) fn is_prose(&self) -> bool {
        self.run == 0 && matches!(self.inside, Inside::Prose | Inside::AfterBracket)
    }

    /// True for what is read to people: prose, and a bracket's text.
    pub(crate) fn is_spoken(&self) -> bool {
        self.is_prose() || matches!(self.inside, Inside::Bracket { .. } | Inside::Angle)
    }

    /// True in a fenced block.
    pub(crate) fn is_fence(&self) -> bool {
        matches!(self.inside, Inside::Fence { .. })
    }

    /// True before a line's own text.
    pub(crate) fn opens_line(&self) -> bool {
        self.opens_line
    }

    /// Takes the next character, and says whether it ended a blank line.
    pub(crate) fn take(&mut self, character: char) -> bool {
        if self.run > 0 && character != self.run_mark {
            self.end_run();
        }
        let is_code = matches!(self.inside, Inside::Code { .. } | Inside::Fence { .. });
        let was_escaped = std::mem::take(&mut self.is_escaped) && !is_code;
        match character {
            '\n' => return self.end_line(),
            '`' | '~' if !was_escaped => self.add_to_run(character),
            _ if was_escaped => {}
            '\\' if !is_code => self.is_escaped = true,
            _ => self.inside = after(self.inside, character),
        }
        self.advance(character);
        false
    }

    /// Where on its line the stream stands.
    fn advance(&mut self, character: char) {
        if character.is_whitespace() {
            if self.line_is_blank {
                self.columns += if character == '\t' { 4 } else { 1 };
            }
            return;
        }
        self.line_is_blank = false;
        self.opens_line &= matches!(character, '>' | '-' | '*' | '+' | '.' | ')' | '0'..='9');
    }

    fn add_to_run(&mut self, character: char) {
        if self.run == 0 {
            self.run_mark = character;
            self.run_opens_line = self.opens_line;
        }
        self.run += 1;
    }

    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        let may_be_fence = run >= 3 && self.run_opens_line;
        self.inside = match (self.inside, self.run_mark) {
            (Inside::Fence { mark, length, .. }, found) => {
                Inside::Fence { mark, length, closing: found == mark && run >= length && self.run_opens_line }
            }
            (_, '~') if may_be_fence => Inside::Fence { mark: '~', length: run, closing: false },
            (inside, '~') => inside,
            (Inside::Code { ticks, .. }, _) if ticks == run => Inside::Prose,
            (_, _) if may_be_fence => Inside::Code { ticks: run, may_be_fence },
            (Inside::Code { ticks, .. }, _) => Inside::Code { ticks, may_be_fence: false },
            (Inside::Prose | Inside::AfterBracket | Inside::Angle, _) => {
                Inside::Code { ticks: run, may_be_fence: false }
            }
            (inside, _) => inside,
        };
    }

    fn end_line(&mut self) -> bool {
        let is_blank = self.line_is_blank;
        self.inside = match self.inside {
            Inside::Code { ticks, may_be_fence: true } => Inside::Fence { mark: '`', length: ticks, closing: false },
            Inside::Fence { closing: true, .. } => Inside::Prose,
            fence @ Inside::Fence { .. } => fence,
            // Nothing but a fence goes on past the end of its paragraph (CommonMark, section 3.1).
            _ if is_blank => Inside::Prose,
            Inside::Tag | Inside::Angle | Inside::AfterBracket => Inside::Prose,
            inside => inside,
        };
        (self.opens_line, self.line_is_blank, self.columns) = (true, true, 0);
        is_blank
    }
}

/// The state after a character that is no line's end, backtick or tilde.
fn after(inside: Inside, character: char) -> Inside {
    match (inside, character) {
        (Inside::Fence { mark, length, closing }, _) => {
            Inside::Fence { mark, length, closing: closing && character.is_whitespace() }
        }
        (Inside::AfterBracket, '(') => Inside::Target { depth: 1 },
        (Inside::Angle, '/' | '!' | 'a'..='z' | 'A'..='Z') => Inside::Tag,
        (Inside::Prose | Inside::AfterBracket | Inside::Angle, '[') => Inside::Bracket { depth: 1 },
        (Inside::Prose | Inside::AfterBracket | Inside::Angle, '<') => Inside::Angle,
        (Inside::Prose | Inside::AfterBracket | Inside::Angle, _) => Inside::Prose,
        (Inside::Bracket { depth }, '[') => Inside::Bracket { depth: depth + 1 },
        (Inside::Bracket { depth: 1 }, ']') => Inside::AfterBracket,
        (Inside::Bracket { depth }, ']') => Inside::Bracket { depth: depth - 1 },
        (Inside::Target { depth }, '(') => Inside::Target { depth: depth + 1 },
        (Inside::Target { depth: 1 }, ')') => Inside::Prose,
        (Inside::Target { depth }, ')') => Inside::Target { depth: depth - 1 },
        (Inside::Tag, '>') => Inside::Prose,
        (inside, _) => inside,
    }
}
