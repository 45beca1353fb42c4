//! From the parser's tree to ours: only what filters have, columns resolved, types fitting.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    OrderBySort, Spanned as _, UnaryOperator, Value as Literal, ValueWithSpan,
};
use sqlparser::tokenizer::Span;

use super::compare::Kind;
use super::constant::Constant;
use super::order::OrderColumn;
use super::parse::{error_at, expression, orders, shown};
use super::resolve::Resolver;
use super::tree::{Comparison, Condition, Operand};
use super::{Direction, FilterError, FilterFault, Reference, Source, literal};
use crate::limits::{FILTER_LIST_MAX, ORDER_COLUMNS_MAX};
use crate::model::{ColumnType, Schema, Table, Value};

/// Checks the texts of one query.
pub(super) struct Checker<'a> {
    resolver: Resolver<'a>,
}

/// Reads an order into columns and directions.
pub(super) fn order_columns(text: &str) -> Result<Vec<(String, Direction)>, FilterError> {
    let read = orders(text)?.into_iter().map(|by| {
        let options = by.options;
        let direction = match options.sort {
            None | Some(OrderBySort::Asc) => Direction::Asc,
            Some(OrderBySort::Desc) => Direction::Desc,
            Some(OrderBySort::Using(_)) => return Err(unsupported(text, &by.expr)),
        };
        let is_column = matches!(by.expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        if !is_column || options.nulls_first.is_some() || by.with_fill.is_some() {
            return Err(unsupported(text, &by.expr));
        }
        Ok((by.expr.to_string(), direction))
    });
    read.collect()
}

impl<'a> Checker<'a> {
    pub(super) fn new(schema: &'a Schema, table: &'a Table) -> Self {
        Self { resolver: Resolver::new(schema, table) }
    }

    pub(super) fn into_sources(self) -> Vec<Source> {
        self.resolver.into_sources()
    }

    pub(super) fn filter(&mut self, text: &str) -> Result<Condition, FilterError> {
        let read = expression(text)?;
        Filter { text, resolver: &mut self.resolver }.condition(&read)
    }

    /// All of these together; `None`: there are none.
    pub(super) fn all<'t>(
        &mut self,
        texts: impl Iterator<Item = &'t str>,
    ) -> Result<Option<Condition>, FilterError> {
        let mut all = texts.map(|text| self.filter(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(if all.len() > 1 { Some(Condition::All(all)) } else { all.pop() })
    }

    pub(super) fn order(
        &mut self,
        columns: &[(&str, Direction)],
    ) -> Result<Vec<OrderColumn>, FilterError> {
        if let Some((first, _)) = columns.get(ORDER_COLUMNS_MAX) {
            let fault = FilterFault::TooManyOrders(columns.len());
            return Err(FilterError::new(first, (1, 1), fault));
        }
        let mut order = Vec::with_capacity(columns.len());
        for &(text, direction) in columns {
            let read = expression(text)?;
            let mut filter = Filter { text, resolver: &mut self.resolver };
            let Some(column) = filter.column(&read)? else {
                return Err(unsupported(text, &read));
            };
            if Kind::of(column.column_type()).is_none() {
                return Err(filter.error(read.span(), literal::not_compared(&column)));
            }
            order.push(OrderColumn { column, direction });
        }
        Ok(order)
    }

    /// A column to show, with the name behind `as`, or else the one that it has.
    pub(super) fn shown(&mut self, text: &str) -> Result<(String, Reference), FilterError> {
        let (read, name) = shown(text)?;
        let mut filter = Filter { text, resolver: &mut self.resolver };
        let Some(column) = filter.column(&read)? else { return Err(unsupported(text, &read)) };
        let Some(name) = name else { return Ok((path_of(&read), column)) };
        match crate::model::name::check(&name.value) {
            Ok(()) => Ok((name.value, column)),
            Err(error) => Err(filter.error(name.span, FilterFault::Syntax(error.to_string()))),
        }
    }
}

/// The names of a column and of the lookups before it.
fn path_of(expr: &Expr) -> String {
    match expr {
        Expr::Nested(inner) => path_of(inner),
        Expr::CompoundIdentifier(path) => {
            path.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".")
        }
        Expr::Identifier(one) => one.value.clone(),
        other => other.to_string(),
    }
}

/// What stands on one side of a comparison.
enum Side {
    Column(Reference),
    Constant(Constant),
}

/// One text.
pub(super) struct Filter<'a, 'b> {
    pub(super) text: &'a str,
    pub(super) resolver: &'a mut Resolver<'b>,
}

pub(super) fn unsupported(text: &str, expr: &Expr) -> FilterError {
    // Long ones are only begun.
    let said = expr.to_string().chars().take(60).collect();
    error_at(text, expr.span(), FilterFault::Unsupported(said))
}

impl Filter<'_, '_> {
    pub(super) fn error(&self, span: Span, fault: FilterFault) -> FilterError {
        error_at(self.text, span, fault)
    }

    fn condition(&mut self, expr: &Expr) -> Result<Condition, FilterError> {
        match expr {
            Expr::Nested(inner) => self.condition(inner),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
                Ok(Condition::Not(Box::new(self.condition(expr)?)))
            }
            Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                let parts = self.joined(expr, op)?;
                let all = *op == BinaryOperator::And;
                Ok(if all { Condition::All(parts) } else { Condition::Any(parts) })
            }
            Expr::BinaryOp { left, op, right } => match comparison(op) {
                Some(comparison) => self.compare(expr, left, comparison, right),
                None => Err(unsupported(self.text, expr)),
            },
            Expr::IsNull(inner) => Ok(Condition::IsNull(self.need_column(inner)?)),
            Expr::IsNotNull(inner) => {
                Ok(Condition::Not(Box::new(Condition::IsNull(self.need_column(inner)?))))
            }
            Expr::Between { expr, negated, low, high } => {
                let column = self.need_column(expr)?;
                let mut bound = |comparison, expr| {
                    let with = self.value(&column, expr)?;
                    Ok(Condition::Compare { column: column.clone(), comparison, with })
                };
                let both = vec![
                    bound(Comparison::GreaterOrEqual, low)?,
                    bound(Comparison::LessOrEqual, high)?,
                ];
                Ok(negate(Condition::All(both), *negated))
            }
            Expr::InList { expr, list, negated } => Ok(negate(self.in_list(expr, list)?, *negated)),
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                let like = self.like(expr, pattern, escape_char.as_deref(), false)?;
                Ok(negate(like, *negated))
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                let like = self.like(expr, pattern, escape_char.as_deref(), true)?;
                Ok(negate(like, *negated))
            }
            Expr::Function(function) if is_named(function, "begins_with") => {
                self.begins_with(function, expr.span())
            }
            Expr::Value(ValueWithSpan { value: Literal::Boolean(truth), .. }) => {
                Ok(Condition::Always(*truth))
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                let column = self.need_column(expr)?;
                if column.column_type() != ColumnType::Boolean {
                    return Err(self.error(expr.span(), FilterFault::NoCondition));
                }
                let with = Operand::Value(Value::Boolean(true));
                Ok(Condition::Compare { column, comparison: Comparison::Equal, with })
            }
            Expr::Function(_) | Expr::Value(_) => {
                // A function that there is not is the first thing wrong.
                self.constant(expr)?;
                Err(self.error(expr.span(), FilterFault::NoCondition))
            }
            other => Err(unsupported(self.text, other)),
        }
    }

    /// The parts of `a and b and c`, which the parser has as `(a and b) and c`.
    fn joined(
        &mut self,
        expr: &Expr,
        wanted: &BinaryOperator,
    ) -> Result<Vec<Condition>, FilterError> {
        let (mut parts, mut rest) = (Vec::new(), expr);
        while let Expr::BinaryOp { left, op, right } = rest {
            if op != wanted {
                break;
            }
            parts.push(right.as_ref());
            rest = left;
        }
        parts.push(rest);
        parts.into_iter().rev().map(|part| self.condition(part)).collect()
    }

    fn compare(
        &mut self,
        whole: &Expr,
        left: &Expr,
        comparison: Comparison,
        right: &Expr,
    ) -> Result<Condition, FilterError> {
        match (self.side(left)?, self.side(right)?) {
            (Side::Column(left), Side::Column(right)) => {
                let kinds = (Kind::of(left.column_type()), Kind::of(right.column_type()));
                if kinds.0.is_none() || kinds.0 != kinds.1 {
                    let other = format!("`{}` ({})", right.name(), right.column_type());
                    let fault = literal::incomparable(&left, other);
                    return Err(self.error(whole.span(), fault));
                }
                Ok(Condition::CompareColumns { left, comparison, right })
            }
            (Side::Column(column), Side::Constant(constant)) => {
                let with = self.fit(&column, constant, right.span())?;
                Ok(Condition::Compare { column, comparison, with })
            }
            (Side::Constant(constant), Side::Column(column)) => {
                let with = self.fit(&column, constant, left.span())?;
                Ok(Condition::Compare { column, comparison: comparison.turned(), with })
            }
            (Side::Constant(_), Side::Constant(_)) => {
                Err(self.error(whole.span(), FilterFault::NoColumn))
            }
        }
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr]) -> Result<Condition, FilterError> {
        let column = self.need_column(expr)?;
        if list.len() > FILTER_LIST_MAX {
            return Err(self.error(expr.span(), FilterFault::ListTooLong(list.len())));
        }
        let mut fitting = Vec::with_capacity(list.len());
        for item in list {
            fitting.push(match self.constant(item)? {
                Constant::Null => Operand::Value(Value::Null),
                constant => self.fit_any(&column, constant, item.span())?,
            });
        }
        Ok(Condition::In { column, list: fitting })
    }

    fn like(
        &mut self,
        expr: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        folds: bool,
    ) -> Result<Condition, FilterError> {
        let column = self.text_column(expr)?;
        let escape = match escape {
            None => None,
            Some(Expr::Value(ValueWithSpan { value: Literal::SingleQuotedString(it), span })) => {
                let mut all = it.chars();
                match (all.next(), all.next()) {
                    (Some(one), None) => Some(one),
                    _ => return Err(self.error(*span, FilterFault::Escape)),
                }
            }
            Some(other) => return Err(self.error(other.span(), FilterFault::Escape)),
        };
        let pattern = self.search(pattern)?;
        Ok(Condition::Like { column, pattern, escape, folds })
    }

    fn begins_with(&mut self, function: &Function, span: Span) -> Result<Condition, FilterError> {
        let Some([column, start]) = arguments(function) else {
            let (function, takes) = ("begins_with", "a column and a text");
            return Err(self.error(span, FilterFault::Arguments { function, takes }));
        };
        let column = self.text_column(column)?;
        let start = self.search(start)?;
        Ok(Condition::BeginsWith { column, start })
    }

    /// What is searched for in a text. It is a text whatever the column would take.
    fn search(&mut self, expr: &Expr) -> Result<Operand, FilterError> {
        match self.constant(expr)? {
            Constant::Text(text) => Ok(Operand::Value(Value::Text(text.into()))),
            Constant::Open(parameter @ Operand::Parameter(_)) => Ok(parameter),
            Constant::Null => Err(self.error(expr.span(), FilterFault::Null)),
            _ => Err(self.error(expr.span(), FilterFault::NoValue)),
        }
    }

    fn text_column(&mut self, expr: &Expr) -> Result<Reference, FilterError> {
        let column = self.need_column(expr)?;
        if Kind::of(column.column_type()) == Some(Kind::Text) {
            return Ok(column);
        }
        let (name, column_type) = (column.name(), column.column_type());
        Err(self.error(expr.span(), FilterFault::NoText { column: name, column_type }))
    }

    pub(super) fn need_column(&mut self, expr: &Expr) -> Result<Reference, FilterError> {
        let no_column = || error_at(self.text, expr.span(), FilterFault::NoColumn);
        let found = self.column(expr)?;
        found.ok_or_else(no_column)
    }

    /// `None`: it is no column.
    fn column(&mut self, expr: &Expr) -> Result<Option<Reference>, FilterError> {
        let path: &[Ident] = match expr {
            Expr::Nested(inner) => return self.column(inner),
            Expr::Identifier(one) => std::slice::from_ref(one),
            Expr::CompoundIdentifier(path) => path,
            _ => return Ok(None),
        };
        let names: Vec<_> = path.iter().map(|part| part.value.as_str()).collect();
        match self.resolver.find(&names) {
            Ok(column) => Ok(Some(column)),
            Err((at, fault)) => {
                let span = path.get(at).map_or_else(|| expr.span(), |part| part.span);
                Err(self.error(span, fault))
            }
        }
    }

    fn side(&mut self, expr: &Expr) -> Result<Side, FilterError> {
        match self.column(expr)? {
            Some(column) => Ok(Side::Column(column)),
            None => self.constant(expr).map(Side::Constant),
        }
    }

    fn value(&mut self, column: &Reference, expr: &Expr) -> Result<Operand, FilterError> {
        let constant = self.constant(expr)?;
        self.fit(column, constant, expr.span())
    }
}

fn negate(condition: Condition, negated: bool) -> Condition {
    if negated { Condition::Not(Box::new(condition)) } else { condition }
}

fn comparison(op: &BinaryOperator) -> Option<Comparison> {
    Some(match op {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

pub(super) fn is_named(function: &Function, name: &str) -> bool {
    match function.name.0.as_slice() {
        [one] => one.as_ident().is_some_and(|it| it.value.eq_ignore_ascii_case(name)),
        _ => false,
    }
}

/// The arguments of a plain call with so many.
pub(super) fn arguments<const COUNT: usize>(function: &Function) -> Option<[&Expr; COUNT]> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let is_plain = function.filter.is_none()
        && function.over.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty()
        && function.parameters == FunctionArguments::None
        && list.duplicate_treatment.is_none()
        && list.clauses.is_empty();
    let plain = |argument| match argument {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    let all: Vec<_> = list.args.iter().map(plain).collect::<Option<_>>()?;
    if is_plain { all.try_into().ok() } else { None }
}
