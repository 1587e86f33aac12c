//! Function calls: which kind of function it is, and the functions with a form of their own.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned,
};

use super::error::{Place, SqlError};
use super::from::row_arguments;
use super::operations::{arithmetic, common, is_null, no_signature};
use super::signatures::{self, Signature};
use super::table_name::parts;
use super::translator::Translator;
use super::types::{Literal, Type, Typed, kind_name};
use crate::local::bigquery::field_schema::FieldType;

/// The arguments of a call.
pub struct Arguments<'f> {
    pub list: Vec<&'f Expr>,
    pub distinct: bool,
    /// Whether the argument is `*`.
    pub is_star: bool,
}

impl Translator<'_> {
    pub fn function(&mut self, function: &Function, place: Place) -> Result<Typed, SqlError> {
        let name = parts(&function.name)?.join(".").to_ascii_uppercase();
        let unsupported = !function.within_group.is_empty()
            || function.filter.is_some()
            || !matches!(function.parameters, FunctionArguments::None);
        if unsupported {
            return Err(SqlError::unimplemented(format!("this form of {name}"), place));
        }
        if let Some(done) = self.aggregate_or_window(&name, function, place)? {
            return Ok(done);
        }
        if function.over.is_some() || function.null_treatment.is_some() {
            let what = format!("the function {name} with OVER or IGNORE NULLS");
            return Err(SqlError::unimplemented(what, place));
        }
        let arguments = arguments(&name, function, place)?;
        if arguments.distinct || arguments.is_star {
            let message = format!("Syntax error: {name} takes neither DISTINCT nor *");
            return Err(SqlError::invalid(message, place));
        }
        let arguments = arguments.list;
        if let Some(done) = self.time_function(&name, &arguments, place)? {
            return Ok(done);
        }
        if let ("TO_JSON_STRING", [Expr::Identifier(table)]) = (name.as_str(), &arguments[..])
            && let Some((depth, relation)) = self.relation(&table.value)
        {
            for column in &relation.columns {
                self.used(depth, column, place)?;
            }
            let row = row_arguments(&relation)
                .map_err(|ty| SqlError::unimplemented(format!("TO_JSON_STRING of {ty}"), place))?;
            return Ok(Typed::new(format!("bq_row_json({row})"), FieldType::String));
        }
        let given = arguments.into_iter().map(|argument| self.expr(argument));
        let given = given.collect::<Result<Vec<_>, _>>()?;
        self.scalar_function(&name, given, place)
    }

    /// A function of values, which takes its arguments by their types alone.
    pub fn scalar_function(
        &mut self,
        name: &str,
        given: Vec<Typed>,
        place: Place,
    ) -> Result<Typed, SqlError> {
        let what = format!("function {name}");
        let refs: Vec<&Typed> = given.iter().collect();
        let wrong = || no_signature(&what, &refs, place);
        let call = |function: &str, items: &[Typed]| {
            let list: Vec<&str> = items.iter().map(|item| item.sql.as_str()).collect();
            format!("{function}({})", list.join(", "))
        };
        match (name, &given[..]) {
            ("COALESCE", [_, ..]) | ("IFNULL", [_, _]) => {
                let items = common(given.clone(), &what, place)?;
                let sql = match &items[..] {
                    [only] => only.sql.clone(),
                    items => call("coalesce", items),
                };
                Ok(Typed { sql, ty: items[0].ty.clone(), literal: Literal::No })
            }
            ("NULLIF", [_, _]) => {
                let items = common(given.clone(), &what, place)?;
                if !items[0].ty.is_comparable() {
                    return Err(wrong());
                }
                let sql = call("nullif", &items);
                Ok(Typed { sql, ty: items[0].ty.clone(), literal: Literal::No })
            }
            ("IF", [test, yes, no]) => {
                if !test.ty.is(FieldType::Boolean) && !is_null(test) {
                    return Err(wrong());
                }
                let items = common(vec![yes.clone(), no.clone()], &what, place)?;
                let (yes, no) = (&items[0].sql, &items[1].sql);
                let sql = format!("(CASE WHEN {} THEN {yes} ELSE {no} END)", test.sql);
                Ok(Typed { sql, ty: items[0].ty.clone(), literal: Literal::No })
            }
            ("GREATEST" | "LEAST", [_, ..]) => {
                let items = common(given.clone(), &what, place)?.into_iter();
                let mut items: Vec<Typed> = items.map(Typed::finite).collect();
                if !items[0].ty.is_ordered() {
                    return Err(wrong());
                }
                let ty = items[0].ty.clone();
                let sql = match &mut items[..] {
                    [only] => only.sql.clone(),
                    items => {
                        items[0].sql = items[0].ordered();
                        call(if name == "GREATEST" { "max" } else { "min" }, items)
                    }
                };
                Ok(Typed { sql, ty, literal: Literal::No })
            }
            ("CONCAT", [_, ..]) => {
                if !given.iter().all(|one| one.ty.is(FieldType::String) || is_null(one)) {
                    return Err(wrong());
                }
                let list: Vec<&str> = given.iter().map(|item| item.sql.as_str()).collect();
                Ok(Typed::new(format!("({})", list.join(" || ")), FieldType::String))
            }
            ("SAFE_DIVIDE", [left, right]) => {
                let divided = arithmetic(left, "/", right, place).map_err(|_| wrong())?;
                let sql = divided.sql.replacen("bq_arithmetic('/'", "bq_arithmetic('safe/'", 1);
                Ok(Typed { sql, ..divided })
            }
            ("MOD" | "DIV", [left, right]) => {
                let items = common(vec![left.clone(), right.clone()], &what, place)?;
                let kind = items[0].ty.kind;
                if items[0].ty.repeated || !matches!(kind, FieldType::Integer | FieldType::Numeric)
                {
                    return Err(wrong());
                }
                let (left, right, kind) = (&items[0].sql, &items[1].sql, kind_name(kind));
                let sql = format!("bq_arithmetic('{name}', {left}, {right}, '{kind}')");
                Ok(Typed { sql, ty: items[0].ty.clone(), literal: Literal::No })
            }
            ("ABS" | "SIGN" | "ROUND" | "FLOOR" | "CEIL" | "CEILING", [value, digits @ ..]) => {
                rounded(name, value, digits, place)
            }
            ("TO_JSON_STRING", [value])
                if !value.ty.repeated && value.ty.kind != FieldType::Record =>
            {
                let kind = kind_name(value.ty.kind);
                Ok(Typed::new(format!("bq_json('{kind}', {})", value.sql), FieldType::String))
            }
            ("TO_JSON_STRING", [value]) => Err(SqlError::unimplemented(
                format!("TO_JSON_STRING of {}", value.ty.name()),
                place,
            )),
            _ => match signatures::find(name) {
                [] => Err(SqlError::unimplemented(format!("the function {name}"), place)),
                known => {
                    for signature in known {
                        if let Some(done) = called(signature, &given, place)? {
                            return Ok(done);
                        }
                    }
                    Err(wrong())
                }
            },
        }
    }
}

/// A call by one signature; `None` if the arguments do not fit it.
fn called(signature: &Signature, given: &[Typed], place: Place) -> Result<Option<Typed>, SqlError> {
    let least = signature.arguments.len() - signature.optional;
    if !(least..=signature.arguments.len()).contains(&given.len()) {
        return Ok(None);
    }
    let mut list = Vec::new();
    for (value, kind) in given.iter().zip(signature.arguments) {
        match value.coerced(&Type::of(*kind), place)? {
            Some(value) => list.push(value.sql),
            None => return Ok(None),
        }
    }
    let sql = format!("{}({})", signature.sqlite, list.join(", "));
    Ok(Some(Typed::new(sql, signature.result)))
}

fn rounded(name: &str, value: &Typed, digits: &[Typed], place: Place) -> Result<Typed, SqlError> {
    let wrong = || no_signature(&format!("function {name}"), &[value], place);
    let kind = match (value.ty.kind, name) {
        _ if value.ty.repeated => return Err(wrong()),
        (FieldType::Integer, "ABS" | "SIGN") => FieldType::Integer,
        (FieldType::Integer | FieldType::Float, _) => FieldType::Float,
        (FieldType::Numeric, _) => FieldType::Numeric,
        (FieldType::BigNumeric, _) => {
            return Err(SqlError::unimplemented(format!("{name} of BIGNUMERIC"), place));
        }
        _ => return Err(wrong()),
    };
    let digits = match digits {
        [] => "0",
        [digits] if name == "ROUND" && digits.ty.is(FieldType::Integer) => &digits.sql,
        _ => return Err(wrong()),
    };
    let value = value.coerced(&Type::of(kind), place)?.ok_or_else(wrong)?;
    let sql = format!("bq_round('{name}', {}, {digits}, '{}')", value.sql, kind_name(kind));
    Ok(Typed::new(sql, kind))
}

/// The arguments of a call, without clauses such as LIMIT.
pub fn arguments<'f>(
    name: &str,
    function: &'f Function,
    place: Place,
) -> Result<Arguments<'f>, SqlError> {
    let mut arguments = Arguments { list: Vec::new(), distinct: false, is_star: false };
    let list = match &function.args {
        FunctionArguments::None => return Ok(arguments),
        FunctionArguments::List(list) => list,
        FunctionArguments::Subquery(_) => {
            return Err(SqlError::unimplemented(format!("{name} of a subquery"), place));
        }
    };
    if let Some(clause) = list.clauses.first() {
        return Err(SqlError::unimplemented(format!("{name} with {clause}"), place));
    }
    arguments.distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.list.push(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => arguments.is_star = true,
            other => {
                let what = format!("the argument {other} of {name}");
                return Err(SqlError::unimplemented(what, other.span()));
            }
        }
    }
    Ok(arguments)
}
