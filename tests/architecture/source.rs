//! Reads as much of a Rust file as it takes to know what its production code names. No parser: comments, strings and
//! test code are left out, `use` trees are unfolded, paths are made absolute. What macros make out of their arguments
//! is not seen.

use std::collections::HashSet;

/// What one file of `src/` says.
pub struct Source {
    /// Below `src/`, as in `store/view.rs`.
    pub file: String,
    /// Lines, without inline tests.
    pub lines: usize,
    /// Every path that production code names.
    pub names: Vec<Name>,
    /// Modules that are there for tests only, wherever their files lie.
    pub test_modules: Vec<Vec<String>>,
}

/// A path as it stands, made absolute: `crate::store::Key` or `sled::Db`.
pub struct Name {
    pub line: usize,
    pub path: Vec<String>,
}

impl Source {
    pub fn read(file: &str, text: &str) -> Source {
        let module = module_of(file);
        let production = without_tests(lex(text));
        let test_modules = production.test_modules.into_iter().map(|name| joined(&module, &[name])).collect();
        Source {
            file: file.to_owned(),
            lines: text.lines().count().saturating_sub(production.test_lines),
            names: names(&production.tokens, &module),
            test_modules,
        }
    }

    /// The module that the file is: `store/view.rs` is `store::view`, `store/mod.rs` is `store`.
    pub fn module(&self) -> Vec<String> {
        module_of(&self.file)
    }

    /// The module under `src/` that the file belongs to; `main` and `lib` stand for themselves.
    pub fn room(&self) -> &str {
        self.file.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }
}

fn module_of(file: &str) -> Vec<String> {
    let mut module: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let is_root = matches!(file, "main.rs" | "lib.rs");
    if is_root || module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

fn joined(head: &[String], tail: &[String]) -> Vec<String> {
    head.iter().chain(tail).cloned().collect()
}

#[derive(Clone, PartialEq)]
enum Kind {
    Word(String),
    Text(String),
    /// `::`
    Colons,
    Mark(char),
}

#[derive(Clone)]
struct Token {
    line: usize,
    kind: Kind,
}

impl Token {
    fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Words, marks and texts; comments, lifetimes and characters fall away.
fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.tokens
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer {
    fn step(&mut self) {
        let line = self.line;
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => while self.at < self.chars.len() && self.take() != '\n' {},
            ('/', '*') => self.block_comment(),
            ('"', _) => self.text(),
            ('\'', _) => self.quote(),
            (':', ':') => {
                self.skip(2);
                self.tokens.push(Token { line, kind: Kind::Colons });
            }
            (c, _) if is_word(c) => self.word(),
            (c, _) => {
                self.skip(1);
                if !c.is_whitespace() {
                    self.tokens.push(Token { line, kind: Kind::Mark(c) });
                }
            }
        }
    }

    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn take(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        self.line += usize::from(c == '\n');
        c
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.take();
        }
    }

    fn block_comment(&mut self) {
        let mut open = 0_usize;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    open += 1;
                    self.skip(2);
                }
                ('*', '/') => {
                    open -= 1;
                    self.skip(2);
                    if open == 0 {
                        return;
                    }
                }
                _ => self.skip(1),
            }
        }
    }

    fn text(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.skip(1);
        while self.at < self.chars.len() {
            match self.take() {
                '"' => break,
                '\\' => text.push(self.take()),
                c => text.push(c),
            }
        }
        self.tokens.push(Token { line, kind: Kind::Text(text) });
    }

    /// From the first `#` or quote of a raw string to its end.
    fn raw_text(&mut self, hashes: usize) {
        let line = self.line;
        let mut text = String::new();
        self.skip(hashes + 1);
        while self.at < self.chars.len() {
            if self.peek(0) == '"' && (1..=hashes).all(|n| self.peek(n) == '#') {
                self.skip(hashes + 1);
                break;
            }
            text.push(self.take());
        }
        self.tokens.push(Token { line, kind: Kind::Text(text) });
    }

    /// A character or a lifetime: both say nothing.
    fn quote(&mut self) {
        self.skip(1);
        if self.peek(0) == '\\' {
            self.skip(2);
            while self.at < self.chars.len() && self.take() != '\'' {}
        } else if self.peek(1) == '\'' {
            self.skip(2);
        } else {
            while is_word(self.peek(0)) {
                self.skip(1);
            }
        }
    }

    fn word(&mut self) {
        let line = self.line;
        let mut word = String::new();
        while is_word(self.peek(0)) {
            word.push(self.take());
        }
        let may_be_raw = matches!(word.as_str(), "r" | "br" | "cr");
        let hashes = (0..).take_while(|n| self.peek(*n) == '#').count();
        match self.peek(hashes) {
            '"' if may_be_raw => self.raw_text(hashes),
            '"' if hashes == 0 && matches!(word.as_str(), "b" | "c") => self.text(),
            // a raw identifier: its word follows
            c if word == "r" && hashes == 1 && is_word(c) => self.skip(1),
            _ => self.tokens.push(Token { line, kind: Kind::Word(word) }),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Production {
    tokens: Vec<Token>,
    test_lines: usize,
    test_modules: Vec<String>,
}

/// Takes out what `#[cfg(test)]` stands before. Tokens stay balanced.
fn without_tests(tokens: Vec<Token>) -> Production {
    let mut production = Production { tokens: Vec::new(), test_lines: 0, test_modules: Vec::new() };
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let inner = tokens.get(at + 1).is_some_and(|next| next.is('!'));
        let open = at + 1 + usize::from(inner);
        let is_attribute = token.is('#') && tokens.get(open).is_some_and(|next| next.is('['));
        let close = if is_attribute { closing(&tokens, open) } else { at };
        if !(is_attribute && is_for_tests(&tokens[open..close])) {
            production.tokens.push(token.clone());
            at += 1;
            continue;
        }
        let end = if inner { tokens.len() - 1 } else { item_end(&tokens, close + 1) };
        let item = tokens.get(close + 1..=end).unwrap_or_default();
        let mounted = item.last().is_some_and(|last| last.is(';'));
        let name = item.windows(2).find(|pair| pair[0].word() == Some("mod")).and_then(|pair| pair[1].word());
        if let (true, Some(name)) = (mounted, name) {
            production.test_modules.push(name.to_owned());
        }
        production.test_lines += tokens.get(end).map_or(0, |last| last.line + 1 - token.line);
        at = end + 1;
    }
    production
}

/// `cfg(test)`, or `cfg(all(test, …))`; under `any` and `not` code is production's too.
fn is_for_tests(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().filter_map(Token::word).collect();
    words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"any") && !words.contains(&"not")
}

/// Where the bracket that opens at `open` is closed, or the last token if it never is.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len().saturating_sub(1)
}

/// Words that begin an item; what begins otherwise may end with a comma.
const ITEMS: [&str; 13] =
    ["async", "const", "enum", "extern", "fn", "impl", "mod", "pub", "static", "struct", "trait", "type", "use"];

/// The last token of the item, field, arm or statement that begins at `from`.
fn item_end(tokens: &[Token], from: usize) -> usize {
    let mut at = from;
    while tokens.get(at).is_some_and(|token| token.is('#')) {
        at = closing(tokens, at + 1) + 1;
    }
    let is_item = tokens.get(at).and_then(Token::word).is_some_and(|word| ITEMS.contains(&word));
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Mark('(' | '[') => at = closing(tokens, at),
            Kind::Mark('{') => return closing(tokens, at),
            Kind::Mark(';') => return at,
            Kind::Mark(',') if !is_item => return at,
            Kind::Mark(')' | ']' | '}') => return at.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    tokens.len().saturating_sub(1)
}

/// A path as written, and the module in which it was written.
struct Mention {
    line: usize,
    path: Vec<String>,
    module: Vec<String>,
}

#[derive(Default)]
struct Walk {
    mentions: Vec<Mention>,
    /// Names that stand for something nearer than a library: `time` after `use tokio::time`. Of the whole file, since
    /// nobody should have to read twice what a name means in it.
    bound: HashSet<String>,
    /// Inline modules that are open, and the depth of braces at which each ends.
    inline: Vec<(usize, String)>,
    braces: usize,
}

impl Walk {
    fn mention(&mut self, file_module: &[String], line: usize, path: Vec<String>) {
        let inline: Vec<String> = self.inline.iter().map(|(_, name)| name.clone()).collect();
        self.mentions.push(Mention { line, path, module: joined(file_module, &inline) });
    }
}

fn names(tokens: &[Token], module: &[String]) -> Vec<Name> {
    let mut walk = Walk::default();
    let mut at = 0;
    let mut attribute_end = 0;
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        let next_word = next.and_then(Token::word);
        match &token.kind {
            Kind::Mark('{') => walk.braces += 1,
            Kind::Mark('}') => {
                walk.braces = walk.braces.saturating_sub(1);
                walk.inline.pop_if(|(end, _)| *end == walk.braces);
            }
            Kind::Mark('#') => attribute_end = closing(tokens, at + 1).max(attribute_end),
            // as in `#[serde(with = "crate::a::b")]`
            Kind::Text(text)
                if at < attribute_end && text.contains("::") && text.chars().all(|c| is_word(c) || c == ':') =>
            {
                walk.mention(module, token.line, text.split("::").map(str::to_owned).collect());
            }
            Kind::Word(word) if word == "use" && !next.is_some_and(|next| next.is('<')) => {
                at = unfold_use(tokens, at + 1, module, &mut walk);
            }
            Kind::Word(word) if word == "crate" && at > 0 && tokens[at - 1].word() == Some("extern") => {
                walk.mention(module, token.line, next_word.map(str::to_owned).into_iter().collect());
            }
            Kind::Word(word) if word == "mod" && next_word.is_some() => {
                let name = next_word.unwrap_or_default().to_owned();
                walk.bound.insert(name.clone());
                if tokens.get(at + 2).is_some_and(|after| after.is('{')) {
                    walk.inline.push((walk.braces, name));
                }
            }
            Kind::Word(_) if next.is_some_and(|next| next.kind == Kind::Colons) && begins_path(tokens, at) => {
                let (path, end) = path_from(tokens, at);
                if path.len() > 1 {
                    walk.mention(module, token.line, path);
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    let Walk { mentions, bound, .. } = walk;
    mentions.into_iter().filter_map(|mention| absolute(mention, &bound)).collect()
}

/// Neither a method nor the middle of a path; `::sled::open` begins one.
fn begins_path(tokens: &[Token], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at)).map(|token| &token.kind);
    match before(1) {
        Some(Kind::Mark('.')) => false,
        Some(Kind::Colons) => !matches!(before(2), Some(Kind::Word(_) | Kind::Mark('>'))),
        _ => true,
    }
}

/// The path at `at`, and its last token.
fn path_from(tokens: &[Token], at: usize) -> (Vec<String>, usize) {
    let mut path: Vec<String> = tokens[at].word().map(str::to_owned).into_iter().collect();
    let mut end = at;
    while tokens.get(end + 1).is_some_and(|token| token.kind == Kind::Colons) {
        let Some(word) = tokens.get(end + 2).and_then(Token::word) else { break };
        path.push(word.to_owned());
        end += 2;
    }
    (path, end)
}

/// Mentions every leaf of the tree after `use`, binds what it binds, and returns the place of its semicolon.
fn unfold_use(tokens: &[Token], from: usize, module: &[String], walk: &mut Walk) -> usize {
    let mut prefixes: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut alias = None;
    let mut at = from;
    while let Some(token) = tokens.get(at) {
        let depth = prefixes.last().map_or(0, Vec::len);
        let ends_leaf = matches!(token.kind, Kind::Mark(',' | '}' | ';'));
        if ends_leaf && path.len() > depth {
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let alias = alias.take();
            if path.len() > 1 || alias.is_some() {
                walk.bound.extend(alias.or_else(|| path.last().cloned()));
            }
            walk.mention(module, token.line, std::mem::take(&mut path));
        }
        match &token.kind {
            Kind::Word(word) if word == "as" => {
                at += 1;
                alias = tokens.get(at).and_then(Token::word).map(str::to_owned);
            }
            Kind::Word(word) => path.push(word.clone()),
            Kind::Mark('*') => path.push("*".to_owned()),
            Kind::Mark('{') => prefixes.push(path.clone()),
            Kind::Mark('}') => {
                prefixes.pop();
                path = prefixes.last().cloned().unwrap_or_default();
            }
            Kind::Mark(',') => path = prefixes.last().cloned().unwrap_or_default(),
            Kind::Mark(';') => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// What the path means from the crate's root; nothing if it begins with a name that the file bound itself.
fn absolute(mention: Mention, bound: &HashSet<String>) -> Option<Name> {
    let Mention { line, path, mut module } = mention;
    let first = path.first()?.as_str();
    let path = match first {
        "crate" | "budkavle" => joined(&["crate".to_owned()], &path[1..]),
        "self" | "super" => {
            let ups = path.iter().filter(|part| *part == "super").count();
            module.truncate(module.len().saturating_sub(ups));
            let rest = path.iter().position(|part| part != "self" && part != "super").unwrap_or(path.len());
            joined(&joined(&["crate".to_owned()], &module), &path[rest..])
        }
        _ if bound.contains(first) => return None,
        _ => path,
    };
    Some(Name { line, path })
}
