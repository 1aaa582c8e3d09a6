//! Calls of functions, with their windows.

use super::{Rows, Seat, Walk};
use crate::ir::Name;
use crate::mysql::expressions::keyword_arguments;
use crate::mysql::queries::{Lowered, unsupported};
use model::UseContext;
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};

impl Walk<'_> {
    pub(super) fn call(&mut self, function: &Function, seat: Seat<'_>) -> Lowered<()> {
        let Function {
            name,
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args,
            within_group,
            filter,
            null_treatment: _,
            over,
        } = function
        else {
            return unsupported("a function call", function);
        };
        let idents = self.parts(name)?;
        let called = idents.last().map(|ident| ident.value.to_ascii_lowercase()).unwrap_or_default();
        let schema = idents.len().checked_sub(2).and_then(|at| idents.get(at)).map(|ident| ident.value.clone());
        let own = idents.last().map(|ident| ident.value.clone()).unwrap_or_default();
        let alone = idents.len() == 1;
        let seat = seat.within(&called);
        // The value proposed for a column, not the one that is stored.
        if let FunctionArguments::List(list) = args
            && called == "values"
            && alone
            && self.upserting
            && self.proposes(list)
        {
            return Ok(());
        }
        self.walked.calls.push(Name { schema, name: own });
        match args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(query) => self.subquery(query, Rows::Apart(seat))?,
            FunctionArguments::List(list) => {
                let counted = over.is_none() && filter.is_none();
                if called == "count" && alone && counted && self.counts_distinct(list) {
                    return Ok(());
                }
                self.arguments(list, &called, seat)?;
            }
        }
        self.sorted(within_group, &[], seat)?;
        self.list(filter.as_deref(), seat)?;
        match over {
            None => Ok(()),
            Some(WindowType::WindowSpec(spec)) => self.window(spec, seat),
            Some(WindowType::NamedWindow(name)) => {
                self.see(name);
                Ok(())
            }
        }
    }

    /// `VALUES(column)`.
    fn proposes(&mut self, list: &FunctionArgumentList) -> bool {
        let FunctionArgumentList { duplicate_treatment: None, args, clauses } = list else { return false };
        let ([FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))], []) = (args.as_slice(), clauses.as_slice()) else {
            return false;
        };
        match self.bare(expr) {
            Some(idents) => {
                self.see_all(idents);
                true
            }
            None => false,
        }
    }

    /// `count(DISTINCT column)`.
    fn counts_distinct(&mut self, list: &FunctionArgumentList) -> bool {
        let FunctionArgumentList { duplicate_treatment: Some(DuplicateTreatment::Distinct), args, clauses } = list
        else {
            return false;
        };
        let ([FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))], []) = (args.as_slice(), clauses.as_slice()) else {
            return false;
        };
        match self.bare(expr) {
            Some(idents) => {
                self.column(idents, UseContext::CountDistinct);
                true
            }
            None => false,
        }
    }

    fn arguments(&mut self, list: &FunctionArgumentList, called: &str, seat: Seat<'_>) -> Lowered<()> {
        let FunctionArgumentList { duplicate_treatment: _, args, clauses } = list;
        let mut keywords = keyword_arguments(called);
        for argument in args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(word))) if !keywords.is_empty() => {
                    let spelt = word.value.to_ascii_lowercase();
                    let spelt = spelt.strip_prefix("sql_tsi_").unwrap_or(&spelt);
                    if word.quote_style.is_some() || !keywords.contains(&spelt) {
                        return unsupported("a unit", word);
                    }
                    self.see(word);
                    keywords = &[];
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(expr, seat)?,
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if called == "count" => {}
                other => return unsupported("an argument", other),
            }
        }
        for clause in clauses {
            match clause {
                FunctionArgumentClause::OrderBy(keys) => self.sorted(keys, &[], seat)?,
                FunctionArgumentClause::Limit(expr) => self.expr(expr, seat)?,
                FunctionArgumentClause::Separator(_) | FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                other => return unsupported("a clause of a function", other),
            }
        }
        Ok(())
    }

    pub(super) fn window(&mut self, spec: &WindowSpec, seat: Seat<'_>) -> Lowered<()> {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        self.see_all(window_name);
        self.list(partition_by, seat)?;
        self.sorted(order_by, &[], seat)?;
        if let Some(WindowFrame { units: _, start_bound, end_bound }) = window_frame {
            for bound in [Some(start_bound), end_bound.as_ref()].into_iter().flatten() {
                match bound {
                    WindowFrameBound::CurrentRow => {}
                    WindowFrameBound::Preceding(offset) | WindowFrameBound::Following(offset) => {
                        self.list(offset.as_deref(), seat)?;
                    }
                }
            }
        }
        Ok(())
    }
}
