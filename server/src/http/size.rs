//! How large a document is, by counts that executing it grows with. Each is found in a time that grows with the document alone: a fragment is
//! measured once, however often it is spread, where writing it out would take two to the power of their number.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, ServerError,
    parser::types::{Directive, ExecutableDocument, Selection, SelectionSet},
};

use super::response::{Code, with_code};

/// The largest document that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Words and signs of its text.
    pub tokens: usize,
    /// Selections, with every fragment written out wherever it is spread: so the executor walks through them.
    pub selections: usize,
    /// How deep selections nest, counted the same way. Executor and completion descend as deep.
    pub depth: usize,
    /// Fields under another name, counted the same way.
    pub aliases: usize,
    /// Directives, counted the same way.
    pub directives: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tokens: 10_000, selections: 10_000, depth: 32, aliases: 500, directives: 100 }
    }
}

/// What counts are called, and what they are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    selections: usize,
    depth: usize,
    aliases: usize,
    directives: usize,
}

impl Size {
    fn beside(self, other: Self) -> Self {
        Self {
            selections: self.selections.saturating_add(other.selections),
            depth: self.depth.max(other.depth),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
        }
    }
}

impl Limits {
    /// Refuses a text with too many words and signs, before it is parsed.
    pub(super) fn check_text(&self, text: &str) -> Result<(), ServerError> {
        // No token is shorter than a byte.
        if text.len() <= self.tokens || tokens(text) <= self.tokens {
            return Ok(());
        }
        let message = format!("the document has more than {} words and signs", self.tokens);
        Err(with_code(ServerError::new(message, None), Code::DocumentTooLarge))
    }

    /// Refuses a document that is too large in any other way. All of it counts, for all of it is validated.
    pub(super) fn check(&self, document: &ExecutableDocument) -> Result<(), ServerError> {
        let mut measuring = Measuring { document, fragments: HashMap::new(), deepest: self.depth };
        let mut whole = Size::default();
        for (_, operation) in document.operations.iter() {
            let operation = &operation.node;
            let variables = operation.variable_definitions.iter().map(|variable| variable.node.directives.len());
            let directives = operation.directives.len() + variables.sum::<usize>();
            let set = measuring.set(&operation.selection_set.node, 1)?;
            whole = whole.beside(set).beside(Size { directives, ..Size::default() });
        }
        for name in document.fragments.keys() {
            // Also those that nothing spreads are walked through.
            let alone = measuring.fragment(name, 1)?;
            self.check_size(alone)?;
        }
        self.check_size(whole)
    }

    fn check_size(&self, size: Size) -> Result<(), ServerError> {
        let counts = [
            (size.depth, self.depth, "nests deeper than", "levels", Code::DocumentTooDeep),
            (
                size.selections,
                self.selections,
                "has more than",
                "selections, fragments written out",
                Code::DocumentTooLarge,
            ),
            (size.aliases, self.aliases, "has more than", "aliases, fragments written out", Code::TooManyAliases),
            (
                size.directives,
                self.directives,
                "has more than",
                "directives, fragments written out",
                Code::TooManyDirectives,
            ),
        ];
        match counts.into_iter().find(|(count, most, ..)| count > most) {
            Some((_, most, verb, what, code)) => {
                let message = format!("the document {verb} {most} {what}");
                Err(with_code(ServerError::new(message, None), code))
            }
            None => Ok(()),
        }
    }
}

struct Measuring<'d> {
    document: &'d ExecutableDocument,
    /// `None` while one is being measured.
    fragments: HashMap<&'d Name, Option<Size>>,
    deepest: usize,
}

impl<'d> Measuring<'d> {
    fn set(&mut self, set: &'d SelectionSet, level: usize) -> Result<Size, ServerError> {
        // Measuring descends as deep as the document: a deeper one is refused right here.
        if level > self.deepest {
            let message = format!("the document nests deeper than {} levels", self.deepest);
            return Err(with_code(ServerError::new(message, None), Code::DocumentTooDeep));
        }
        let mut size = Size::default();
        for Positioned { node, .. } in &set.items {
            let (own, directives, inner): (_, &[Positioned<Directive>], _) = match node {
                Selection::Field(field) => {
                    let aliases = usize::from(field.node.alias.is_some());
                    let inner = &field.node.selection_set.node;
                    let inner = if inner.items.is_empty() { Size::default() } else { self.set(inner, level + 1)? };
                    (Size { aliases, ..Size::default() }, &field.node.directives, inner)
                }
                Selection::InlineFragment(fragment) => {
                    let inner = self.set(&fragment.node.selection_set.node, level + 1)?;
                    (Size::default(), &fragment.node.directives, inner)
                }
                Selection::FragmentSpread(spread) => {
                    let inner = self.fragment(&spread.node.fragment_name.node, level + 1)?;
                    (Size::default(), &spread.node.directives, inner)
                }
            };
            let one = Size { selections: 1, directives: directives.len(), ..own };
            size = size.beside(one).beside(inner);
        }
        Ok(Size { depth: size.depth + 1, ..size })
    }

    fn fragment(&mut self, name: &Name, level: usize) -> Result<Size, ServerError> {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Size::default());
        };
        match self.fragments.get(name) {
            Some(Some(size)) => Ok(*size),
            Some(None) => {
                let message = format!("the fragment {name} spreads itself");
                Err(with_code(ServerError::new(message, Some(fragment.pos)), Code::ValidationFailed))
            }
            None => {
                self.fragments.insert(name, None);
                let mut size = self.set(&fragment.node.selection_set.node, level)?;
                size.directives += fragment.node.directives.len();
                self.fragments.insert(name, Some(size));
                Ok(size)
            }
        }
    }
}

/// Words and signs of a text, as the specification counts them; of a text that is no document, about.
fn tokens(text: &str) -> usize {
    let mut rest = text;
    let mut count = 0;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}' => {
                rest = &rest[first.len_utf8()..];
                continue;
            }
            '#' => {
                rest = &rest[rest.find(['\n', '\r']).unwrap_or(rest.len())..];
                continue;
            }
            '"' => string(rest),
            '.' => rest.find(|c| c != '.').unwrap_or(rest.len()),
            _ if is_of_word(first) => word(rest),
            _ => first.len_utf8(),
        };
        count += 1;
        rest = &rest[length..];
    }
    count
}

/// Length of the name or number at the beginning of a text.
fn word(text: &str) -> usize {
    let end = text.find(|c| !is_of_word(c)).unwrap_or(text.len());
    let fraction = text[end..].strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    fraction.map_or(end, |rest| end + 1 + word(rest))
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+')
}

/// Length of the string at the beginning of a text.
fn string(text: &str) -> usize {
    let (quote, may_break) = if text.starts_with("\"\"\"") { ("\"\"\"", true) } else { ("\"", false) };
    let mut at = quote.len();
    while let Some(next) = text[at..].chars().next() {
        if text[at..].starts_with(quote) {
            return at + quote.len();
        }
        if next == '\n' && !may_break {
            return at;
        }
        at += next.len_utf8();
        if next == '\\' {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use async_graphql::{Value, parser::parse_query};

    use super::*;

    const LIMITS: Limits = Limits { tokens: 10_000, selections: 20, depth: 5, aliases: 3, directives: 2 };

    fn refused(query: &str) -> Option<String> {
        let error = LIMITS.check(&parse_query(query).unwrap()).err()?;
        match error.extensions.unwrap().get("code") {
            Some(Value::String(code)) => Some(code.clone()),
            _ => None,
        }
    }

    #[test]
    fn a_document_may_be_as_large_as_the_limits_and_no_larger() {
        let nested = |depth: usize| "{a".repeat(depth) + &"}".repeat(depth);
        assert_eq!([nested(5), nested(6)].map(|query| refused(&query)), [None, Some("DOCUMENT_TOO_DEEP".to_owned())]);
        let wide = |width: usize| format!("{{ {} }}", "a ".repeat(width));
        assert_eq!([wide(20), wide(21)].map(|query| refused(&query)), [None, Some("DOCUMENT_TOO_LARGE".to_owned())]);
        let renamed = |count: usize| format!("{{ ...f ...f }} fragment f on Query {{ {} }}", "x: a ".repeat(count));
        assert_eq!([renamed(1), renamed(2)].map(|query| refused(&query)), [None, Some("TOO_MANY_ALIASES".to_owned())]);
        let skipped = |count: usize| format!("query {} {{ a @skip(if: true) }}", "@x ".repeat(count));
        assert_eq!(
            [skipped(1), skipped(2)].map(|query| refused(&query)),
            [None, Some("TOO_MANY_DIRECTIVES".to_owned())]
        );
        assert_eq!(refused("query A { a } query B { a }"), None);
        assert_eq!(refused("{ ...f } fragment f on Query { ...f }").as_deref(), Some("GRAPHQL_VALIDATION_FAILED"));
        assert_eq!(
            refused("{ a } fragment f on Query { ...g } fragment g on Query { ...f }").as_deref(),
            Some("GRAPHQL_VALIDATION_FAILED")
        );
    }

    #[test]
    fn fragments_that_spread_each_other_cost_their_size_and_not_what_they_write_out() {
        // Each spreads the next one twice: written out, the last one stands there 2 to the power of 22 times.
        let limits = Limits { depth: 64, ..Limits::default() };
        let chain: String =
            (0..40).map(|n| format!("fragment f{n} on Query {{ ...f{m} ...f{m} }} ", m = n + 1)).collect();
        for query in [
            format!("{{ ...f0 }} {chain} fragment f40 on Query {{ a }}"),
            // Nothing spreads them.
            format!("{{ a }} {chain} fragment f40 on Query {{ a }}"),
        ] {
            let document = parse_query(&query).unwrap();
            let started = Instant::now();
            assert!(limits.check(&document).unwrap_err().message.contains("selections"));
            assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
        }
    }

    #[test]
    fn words_and_signs_are_counted_as_the_specification_does() {
        for (text, count) in [
            ("", 0),
            (" ,\t\n# a comment { a }\n", 0),
            ("{ a }", 3),
            ("query Q($id: ID! = -1.5e+3) { a(b: [1, 2]) @c }", 24),
            (r#"{ a(b: "} \" {") }"#, 8),
            ("{ a(b: \"\"\"} \n \\\"\"\" { \"\"\") ...F }", 10),
            ("{ é \" }", 3),
        ] {
            assert_eq!(tokens(text), count, "{text}");
        }
        let limits = Limits { tokens: 5, ..Limits::default() };
        assert!(limits.check_text("{ a b c }").is_ok());
        assert!(limits.check_text("{ a b c d }").is_err());
        assert!(limits.check_text(&format!("{{ a{} }}", " ".repeat(100))).is_ok());
    }
}
