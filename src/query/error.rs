//! What can be wrong with the text of a filter, and where.

use std::fmt;

use crate::limits::{
    FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_LIST_MAX, FILTER_LOOKUPS_MAX, FILTER_WORDS_MAX,
    ORDER_COLUMNS_MAX,
};
use crate::model::{CellError, ColumnType, TableName};

/// So many characters of a line are shown before and behind what is wrong.
const SHOWN_CHARS: usize = 40;

/// Why a filter or an order was refused. The first thing wrong is named, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// The line, from 1.
    pub line: u64,
    /// The character of the line, from 1.
    pub column: u64,
    /// What is wrong.
    pub fault: Box<FilterFault>,
    /// The line, cut if it is long.
    shown: String,
    /// How many of its characters stand before what is wrong.
    before: usize,
}

impl FilterError {
    pub(super) fn new(text: &str, (line, column): (u64, u64), fault: FilterFault) -> Self {
        let index = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let all = text.lines().nth(index(line)).unwrap_or_default();
        let at = index(column).min(all.chars().count());
        let start = at.saturating_sub(SHOWN_CHARS);
        let shown = all.chars().skip(start).take(2 * SHOWN_CHARS);
        // The caret stands below what it means only where each character is as wide as a space.
        let shown = shown.map(|it| if it.is_control() { ' ' } else { it }).collect();
        Self { line, column, fault: Box::new(fault), shown, before: at - start }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, fault, shown, before } = self;
        write!(f, "line {line}, column {column}: {fault}\n  {shown}\n  {:before$}^", "")
    }
}

impl std::error::Error for FilterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

/// What is wrong at a place of a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterFault {
    /// Over [`FILTER_BYTES_MAX`].
    #[error("the filter has {0} bytes, at most {FILTER_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// Over [`FILTER_WORDS_MAX`].
    #[error(
        "the filter has more than {FILTER_WORDS_MAX} words and operators: list values with `in`"
    )]
    TooManyWords,
    /// Over [`FILTER_DEPTH_MAX`].
    #[error("more than {FILTER_DEPTH_MAX} parentheses or `not`s in each other: write it flatter")]
    TooDeep,
    /// Over [`FILTER_LIST_MAX`].
    #[error("{0} values are listed, at most {FILTER_LIST_MAX} are allowed")]
    ListTooLong(usize),
    /// Over [`FILTER_LOOKUPS_MAX`].
    #[error("more than {FILTER_LOOKUPS_MAX} lookups are followed")]
    TooManyLookups,
    /// Over [`ORDER_COLUMNS_MAX`].
    #[error("{0} columns to order by, at most {ORDER_COLUMNS_MAX} are allowed")]
    TooManyOrders(usize),
    /// It does not read as an expression.
    #[error("{0}")]
    Syntax(String),
    /// SQL that filters do not have.
    #[error(
        "`{0}` is no part of filters; they have = <> < <= > >=, between, in, like, ilike, is null, \
         begins_with(), and, or, not"
    )]
    Unsupported(String),
    /// A function that there is not.
    #[error(
        "there is no function `{0}`; there are begins_with(column, text), now(), me(), my_teams(), \
         my_business_unit(), my_business_units(), my_reports()"
    )]
    NoSuchFunction(String),
    /// A function with other arguments than it takes.
    #[error("`{function}` takes {takes}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// What it takes.
        takes: &'static str,
    },
    /// A name that is no column.
    #[error("table `{table}` has no column `{column}`; it has: {known}. Texts stand in 'quotes'")]
    NoSuchColumn {
        /// The column.
        column: String,
        /// The table.
        table: TableName,
        /// Those there are.
        known: String,
    },
    /// A dot behind a column that is no lookup.
    #[error("`{column}` of table `{table}` looks nothing up: nothing of it follows a dot")]
    NoLookup {
        /// The column.
        column: String,
        /// The table.
        table: TableName,
    },
    /// A dot behind an owner or a business unit, of which the schema has no rows.
    #[error(
        "`{column}` leads to rows of the system table `{needed}`, which the schema does not have: add \
         it with `[[system_table]]`"
    )]
    NoSystemTable {
        /// The column.
        column: String,
        /// The table.
        needed: &'static str,
    },
    /// Columns of such a type are not compared.
    #[error("`{column}` is a {column_type}: it can only be asked whether it `is null`")]
    NotCompared {
        /// The column.
        column: String,
        /// Its type.
        column_type: ColumnType,
    },
    /// Two columns whose types have nothing to compare.
    #[error("`{column}` ({column_type}) cannot be compared with {other}")]
    Incomparable {
        /// The column.
        column: String,
        /// Its type.
        column_type: ColumnType,
        /// What it is compared with.
        other: String,
    },
    /// A literal that is no value of the column that it is compared with.
    #[error("{0}")]
    Literal(#[from] CellError),
    /// A text where a number is needed.
    #[error("`{column}` is a number: compare it with one, without quotes, not with '{text}'")]
    NoNumber {
        /// The column.
        column: String,
        /// The text.
        text: String,
    },
    /// A number that is too large, or has too many digits.
    #[error("{0} has more digits, or is larger, than numbers here can be")]
    NumberRange(String),
    /// An owner in another form.
    #[error("`{0}` names no owner: expected 'user:ID' or 'team:ID', me() or my_teams()")]
    NoOwner(String),
    /// Something that stands alone where a condition is needed.
    #[error("this is no condition: compare it with something")]
    NoCondition,
    /// Two values compared, and no column.
    #[error("no column is compared here")]
    NoColumn,
    /// A column or an expression where only a value can stand.
    #[error("only a value can stand here: a literal, a $parameter or a function such as me()")]
    NoValue,
    /// A function that gives several values, where one is needed.
    #[error("`{0}()` gives several values: say `in {0}()`")]
    SeveralValues(&'static str),
    /// A comparison with null, which is never true.
    #[error("a comparison with null is never true: say `is null` or `is not null`")]
    Null,
    /// An interval that does not read as one.
    #[error("'{0}' is no interval; expected such as '7 days' or '1 hour 30 minutes'")]
    Interval(String),
    /// An interval added to something else than now().
    #[error("intervals are added to now() or taken from it: move this one to the other side")]
    IntervalElsewhere,
    /// Text functions on something else.
    #[error("`{column}` is a {column_type}: only texts are searched")]
    NoText {
        /// The column.
        column: String,
        /// Its type.
        column_type: ColumnType,
    },
    /// An `escape` of `like` that is not one character.
    #[error("what follows `escape` must be one character in quotes")]
    Escape,
}
