//! From text to the expression tree of `sqlparser`, within bounds.
//!
//! The parser knows far more SQL than filters have. So the text is first cut into tokens, and only those
//! that filters know are handed on, in bounded number and depth.

use sqlparser::ast::{Expr, Ident, OrderByExpr};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

use super::{FilterError, FilterFault};
use crate::limits::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_WORDS_MAX};

/// What the parser may call itself, some three times for each of our levels.
const RECURSION_MAX: usize = 4 * FILTER_DEPTH_MAX;

/// Names of letters, digits and `_`, others in double quotes; texts in single ones; `$name`.
#[derive(Debug)]
struct FilterDialect;

impl Dialect for FilterDialect {
    fn is_identifier_start(&self, it: char) -> bool {
        it.is_alphabetic() || it == '_'
    }

    fn is_identifier_part(&self, it: char) -> bool {
        it.is_alphanumeric() || it == '_'
    }

    fn supports_dollar_placeholder(&self) -> bool {
        true
    }
}

/// Reads a filter.
pub(super) fn expression(text: &str) -> Result<Expr, FilterError> {
    whole(text, Parser::parse_expr)
}

/// Reads columns to order by, each with or without a direction.
pub(super) fn orders(text: &str) -> Result<Vec<OrderByExpr>, FilterError> {
    whole(text, |parser| parser.parse_comma_separated(Parser::parse_order_by_expr))
}

/// Reads a column to show, and the name that stands behind `as`, if any.
pub(super) fn shown(text: &str) -> Result<(Expr, Option<Ident>), FilterError> {
    whole(text, |parser| {
        let column = parser.parse_expr()?;
        let is_named = parser.parse_keyword(Keyword::AS);
        let name = if is_named { Some(parser.parse_identifier()?) } else { None };
        Ok((column, name))
    })
}

/// Reads all of a text as one thing.
fn whole<T>(
    text: &str,
    read: impl FnOnce(&mut Parser<'static>) -> Result<T, ParserError>,
) -> Result<T, FilterError> {
    let tokens = tokens(text)?;
    let mut parser = Parser::new(&FilterDialect)
        .with_recursion_limit(RECURSION_MAX)
        .with_tokens_with_locations(tokens);
    let parsed = read(&mut parser).map_err(|error| syntax(text, &parser, error))?;
    let rest = parser.peek_token();
    if rest.token == Token::EOF {
        return Ok(parsed);
    }
    let fault = FilterFault::Syntax(format!("`{}` does not fit here", rest.token));
    Err(error_at(text, rest.span, fault))
}

/// The tokens, without spaces and comments, if filters know them all.
fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, FilterError> {
    let start = (1, 1);
    if text.len() > FILTER_BYTES_MAX {
        return Err(FilterError::new("", start, FilterFault::TooLong(text.len())));
    }
    let all = Tokenizer::new(&FilterDialect, text).tokenize_with_location().map_err(|error| {
        let Location { line, column } = error.location;
        FilterError::new(text, (line, column), FilterFault::Syntax(error.message))
    })?;
    // How deep in parentheses, and behind how many `not`s in a row.
    let (mut words, mut depth, mut nots) = (0_usize, 0_usize, 0_usize);
    let mut known = Vec::with_capacity(all.len());
    for token in all {
        let is_not = matches!(&token.token, Token::Word(word) if word.keyword == Keyword::NOT);
        let fault = match &token.token {
            Token::Whitespace(_) => continue,
            Token::Word(_) if is_not && nots >= FILTER_DEPTH_MAX => Some(FilterFault::TooDeep),
            Token::LParen => {
                depth += 1;
                (depth > FILTER_DEPTH_MAX).then_some(FilterFault::TooDeep)
            }
            Token::RParen => {
                depth = depth.saturating_sub(1);
                None
            }
            Token::SingleQuotedString(_)
            | Token::Number(_, false)
            | Token::Comma
            | Token::Period
            | Token::EOF => None,
            Token::Placeholder(name) => {
                (!name.starts_with('$') || name.len() < 2).then(|| unsupported(&token.token))
            }
            Token::Word(_)
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus => {
                words += 1;
                (words > FILTER_WORDS_MAX).then_some(FilterFault::TooManyWords)
            }
            other => Some(unsupported(other)),
        };
        if let Some(fault) = fault {
            return Err(error_at(text, token.span, fault));
        }
        nots = if is_not { nots + 1 } else { 0 };
        known.push(token);
    }
    Ok(with_parentheses(known))
}

fn unsupported(token: &Token) -> FilterFault {
    FilterFault::Unsupported(token.to_string())
}

/// SQL wants parentheses behind `in`; `in my_teams()` and `in $list` do without.
fn with_parentheses(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut all = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let is_in = matches!(&token.token, Token::Word(word) if word.keyword == Keyword::IN);
        all.push(token);
        let more = match rest.peek().map(|next| &next.token) {
            Some(Token::Placeholder(_)) if is_in => 1,
            // A function and its parentheses.
            Some(Token::Word(_)) if is_in => 3,
            _ => continue,
        };
        let inner: Vec<_> = rest.by_ref().take(more).collect();
        let span = inner.first().map_or(Span::empty(), |first| first.span);
        all.push(TokenWithSpan::new(Token::LParen, span));
        all.extend(inner);
        all.push(TokenWithSpan::new(Token::RParen, span));
    }
    all
}

/// The error at the start of what `span` covers.
pub(super) fn error_at(text: &str, span: Span, fault: FilterFault) -> FilterError {
    let Location { line, column } = span.start;
    // What the parser has no place for stands at the start.
    FilterError::new(text, (line.max(1), column.max(1)), fault)
}

/// The parser's errors say the place in their text, if at all; else it is where the parser stopped.
fn syntax(text: &str, parser: &Parser<'_>, error: ParserError) -> FilterError {
    let said = match error {
        ParserError::RecursionLimitExceeded => {
            return error_at(text, parser.peek_token().span, FilterFault::TooDeep);
        }
        ParserError::ParserError(said) | ParserError::TokenizerError(said) => said,
    };
    let (said, place) = match said.rsplit_once(" at Line: ") {
        Some((said, place)) => (said.to_owned(), Some(place.to_owned())),
        None => (said, None),
    };
    let place = place.as_deref().and_then(|place| place.split_once(", Column: "));
    let place = place.and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    // "Expected: an expression, found: EOF"
    let said =
        said.replacen("Expected: ", "expected ", 1).replace("found: EOF", "but it ends here");
    let fault = FilterFault::Syntax(said.replace("found: ", "found "));
    FilterError::new(text, place.unwrap_or_else(|| end(text)), fault)
}

/// Behind the last character.
fn end(text: &str) -> (u64, u64) {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let last = text.lines().last().unwrap_or_default();
    (number(text.lines().count().max(1)), number(last.chars().count() + 1))
}
