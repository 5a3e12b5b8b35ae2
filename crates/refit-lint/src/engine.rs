//! The replay, file by file and statement by statement: the rules see each statement before the schema does.

use std::collections::{HashMap, HashSet};
use std::ops::{Deref, Range};
use std::sync::Arc;

use refit_model::{LineIndex, Position, Suppression, Waits};

use crate::advice;
use crate::check::{Backfill, File, FileCheck, Report, Settings, StatementCheck};
use crate::finding::{Finding, Severity};
use crate::held::{AllHeld, Held, made};
use crate::parser::{Newer, Parsed, SyntaxError, parse};
use crate::rule::{Check, Rule};
use crate::rules::takes_time;
use crate::schema::Schema;
use crate::search_path;
use crate::sql::{Body, BodyFaults, Called, Name, Span, Stmt, StmtKind};
use crate::unfilled::Unfilled;
use crate::window::Window;

/// Maximum depth of statements inside statements.
const DEEPEST: usize = 8;

/// Runs rules over files in order. Findings are in the order of files and positions, before suppressions apply.
pub(crate) struct Engine<'a> {
    pub(crate) settings: &'a Settings,
    /// The enabled rules, with their severity, for the current file.
    pub(crate) rules: &'a dyn Fn(&File) -> Vec<(&'static Rule, Severity)>,
    pub(crate) companions: &'a HashMap<String, Vec<&'static str>>,
}

/// The result of replaying one file.
pub(crate) struct FileOutcome {
    pub(crate) findings: Vec<Finding>,
    /// The span of each statement, for the suppressions above them.
    pub(crate) statements: Vec<(Position, Position)>,
}

/// State carried from file to file.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) schema: Schema,
    pub(crate) backfills: Vec<Backfill>,
    unfilled: Unfilled,
    held: Arc<AllHeld>,
    waits: Waits,
}

/// The context of a statement.
#[derive(Clone, Copy)]
struct Around<'a> {
    file: &'a File,
    all: &'a [Stmt],
    /// The index of the current one.
    index: usize,
    gates: &'a HashSet<i64>,
}

impl Engine<'_> {
    /// Whether a migration has an `.md` file.
    pub(crate) fn has_doc(&self, path: &str) -> bool {
        let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".sql");
        self.companions.get(stem).is_some_and(|suffixes| suffixes.contains(&".md"))
    }

    pub(crate) fn file(&self, file: &File, memory: &mut Memory) -> FileOutcome {
        let Parsed { mut stmts, mut errors, psql, newer } = parse(&file.text);
        search_path::resolve(&mut stmts, &memory.schema);
        let rules = if file.reported { (self.rules)(file) } else { Vec::new() };
        let mut findings = Vec::new();
        let cut = errors.iter().find(|error| error.unclosed).map(|error| error.span.start);
        let mut unused = Vec::new();
        for faults in stmts.iter().filter(|_| file.reported).filter_map(faults_of) {
            // An unterminated body has no end to report.
            let is_reported = |error: &SyntaxError| cut.is_none_or(|cut| error.span.start < cut);
            errors.extend(faults.errors.into_iter().filter(is_reported));
            unused.extend(faults.unused);
        }
        let oldest = self.settings.postgres;
        let newer: Vec<Newer> =
            newer.into_iter().filter(|newer| self.settings.is_named && newer.since > oldest).collect();
        let unread = Unread {
            errors: &errors,
            is_cut: cut.is_some(),
            psql: &psql,
            unused: &unused,
            newer: (&newer, oldest),
        };
        engine_findings(file, &rules, &unread, &mut findings);
        for (rule, severity) in &rules {
            if let Check::File(check) = rule.check {
                let mut reports = Vec::new();
                check(&mut FileCheck {
                    file,
                    stmts: &stmts,
                    companions: self.companions,
                    reports: &mut reports,
                });
                findings.extend(
                    reports.into_iter().map(|report| report.into_finding(rule.name, *severity, file)),
                );
            }
        }
        let gates = memory.waits.of(&file.directives);
        memory.schema.in_utc = false;
        let mut window = Window::new(file.directives.transaction);
        for (index, stmt) in stmts.iter().enumerate() {
            let around = Around { file, all: &stmts, index, gates: &gates };
            self.statement(&around, &rules, memory, &mut window, &mut findings);
            memory.unfilled.advance(stmt, &memory.schema, &window);
            window.advance(stmt, &memory.schema, self.settings.postgres, file.directives.transaction);
            memory.schema.replay(stmt);
        }
        remember_backfill(file, &stmts, memory);
        if let Some(version) = file.version {
            if !gates.is_empty() {
                Arc::make_mut(&mut memory.held).push(Held {
                    version,
                    gates: gates.clone(),
                    made: made(&stmts),
                });
            }
            memory.waits.add(version, gates);
        }
        findings.sort_by_key(|finding| (finding.span.start, finding.span.end, finding.rule));
        let statements = place(file, &stmts, &mut findings);
        FileOutcome { findings, statements }
    }

    /// Runs the rules on a statement and on those inside it.
    fn statement(
        &self,
        around: &Around<'_>,
        rules: &[(&'static Rule, Severity)],
        memory: &Memory,
        window: &mut Window,
        findings: &mut Vec<Finding>,
    ) {
        let Around { file, all, index, gates } = *around;
        let (before, rest) = all.split_at(index);
        let Some((stmt, rest)) = rest.split_first() else { return };
        for Nested { stmt, in_body, .. } in &nested(stmt, &memory.schema) {
            let mut reports: Vec<Report> = Vec::new();
            let mut check = StatementCheck {
                stmt,
                in_body: *in_body,
                before,
                rest,
                file,
                schema: &memory.schema,
                window,
                backfills: &memory.backfills,
                unfilled: &memory.unfilled,
                held: &memory.held,
                gates,
                settings: self.settings,
                reports: &mut reports,
            };
            let known = findings.len();
            for (rule, severity) in rules {
                let Check::Statement(asked) = rule.check else { continue };
                asked(&mut check);
                // This is empty in almost all cases.
                if !check.reports.is_empty() {
                    let reports = check.reports.drain(..);
                    findings.extend(reports.map(|report| report.into_finding(rule.name, *severity, file)));
                }
            }
            without_held_twice(findings, known);
            if !*in_body {
                for finding in &mut findings[known..] {
                    advice::complete(finding, file, (all, index), &memory.schema, self.settings.postgres);
                }
            }
            // The locks of a body are held until it ends, whatever the transaction around it.
            if *in_body {
                window.create(stmt, &memory.schema);
                window.hold(stmt, &memory.schema, self.settings.postgres);
            }
        }
    }
}

/// If a rule of its own reports a slow statement, the safe form of that rule also moves the statement out from under
/// the lock: this removes the findings about the lock from those after `known`.
fn without_held_twice(findings: &mut Vec<Finding>, known: usize) {
    let is_said = |finding: &Finding| finding.severity > Severity::Note && takes_time(finding.rule);
    if findings[known..].iter().any(is_said) {
        findings.extract_if(known.., |finding| finding.is_held_while_working).for_each(drop);
    }
}

/// Computes the places of findings in the file, and that of each statement.
///
/// It walks through the text, so it runs only if there are findings or suppressions.
fn place(file: &File, stmts: &[Stmt], findings: &mut [Finding]) -> Vec<(Position, Position)> {
    let suppresses = file.reported && file.text.contains("refit:");
    if findings.is_empty() && !suppresses {
        return Vec::new();
    }
    let index = LineIndex::new(file.text.written());
    let written = |span: Span| file.text.written_range(span.start as usize..span.end as usize);
    let offset = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    let range = |at: Range<usize>| (index.position(at.start), index.position(at.end));
    for finding in findings {
        let at = written(finding.span);
        finding.span = Span { start: offset(at.start), end: offset(at.end) };
        (finding.start, finding.end) = range(at);
    }
    if suppresses { stmts.iter().map(|stmt| range(written(stmt.span))).collect() } else { Vec::new() }
}

/// The parts of a file that are not checked.
struct Unread<'a> {
    errors: &'a [SyntaxError],
    /// Whether a quote or comment outside bodies is unterminated.
    is_cut: bool,
    psql: &'a [Span],
    /// Suppressions in bodies, which have no effect.
    unused: &'a [(Span, String)],
    /// Syntax that the oldest server does not support, and that server's version.
    newer: (&'a [Newer], u32),
}

/// Findings that only the engine can report: syntax errors, and suppressions in places where they have no effect.
fn engine_findings(
    file: &File,
    rules: &[(&'static Rule, Severity)],
    unread: &Unread<'_>,
    findings: &mut Vec<Finding>,
) {
    let severity = |name: &str| {
        rules.iter().find(|(rule, _)| rule.name == name).map(|(rule, severity)| (rule.name, *severity))
    };
    let mut add = |name: &str, span: Span, message: String, help: &str| {
        if let Some((rule, severity)) = severity(name) {
            let mut reports = Vec::new();
            let mut check =
                FileCheck { file, stmts: &[], companions: &HashMap::new(), reports: &mut reports };
            check.report_at(span, message).help(help);
            findings.extend(reports.into_iter().map(|report| report.into_finding(rule, severity, file)));
        }
    };
    for SyntaxError { span, message, unclosed } in unread.errors {
        let help = match (unclosed, unread.is_cut) {
            (true, _) => "close it: the rest of the file was parsed as part of it",
            (false, true) => {
                "the statements after it were still checked, up to the unterminated quote or comment"
            }
            (false, false) => "the rest of the file was still checked",
        };
        add("syntax-error", *span, format!("this does not parse: {message}"), help);
    }
    for span in unread.psql {
        let message = "this line is a psql command, not SQL".to_owned();
        let command = file.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let help = match command.starts_with("\\restrict") || command.starts_with("\\unrestrict") {
            true => "pg_dump writes \\restrict and \\unrestrict for psql; remove both lines",
            false => "write it as SQL; load rows with INSERT or an import",
        };
        add("psql-command", *span, message, help);
    }
    let (newer, oldest) = unread.newer;
    for Newer { span, since, what } in newer {
        let message =
            format!("{what} is new in PostgreSQL {since}, and the oldest server in use is {oldest}");
        let help = format!(
            "use the syntax of PostgreSQL {oldest}; or, if no older server is left, set in refit.toml:\npostgres = {since}"
        );
        add("newer-syntax", *span, message, &help);
    }
    for (span, rule) in unread.unused {
        let message = format!("`allow({rule})` inside a body has no effect");
        add(
            "unused-suppression",
            *span,
            message,
            "put it directly above the statement that contains the body",
        );
    }
}

/// Errors in the bodies of a statement, which the server reports when it runs or creates them.
fn faults_of(stmt: &Stmt) -> Option<BodyFaults> {
    match &stmt.kind {
        StmtKind::Do(body) => Some(body.faults(true)),
        StmtKind::CreateRoutine { body, .. } => Some(body.faults(false)),
        _ => None,
    }
}

/// A statement that runs, and how it is reached.
pub(crate) struct Nested<'a> {
    pub(crate) stmt: Shown<'a>,
    pub(crate) in_body: bool,
    pub(crate) in_loop: bool,
}

/// A statement, with the span at which its findings are reported.
pub(crate) enum Shown<'a> {
    Here(&'a Stmt),
    Elsewhere(Box<Stmt>),
}

impl Deref for Shown<'_> {
    type Target = Stmt;

    fn deref(&self) -> &Stmt {
        match self {
            Shown::Here(stmt) => stmt,
            Shown::Elsewhere(stmt) => stmt,
        }
    }
}

/// Whether a statement may run statements in bodies, judging by its kind.
pub(crate) fn may_run_others(stmt: &Stmt) -> bool {
    use StmtKind::{Call, Do, DynamicSql};
    !stmt.calls.is_empty() || matches!(stmt.kind, Do(_) | DynamicSql { .. } | Call { .. })
}

/// The statement and those that it runs in bodies: DO, dynamic SQL, and functions that it calls.
pub(crate) fn nested<'a>(stmt: &'a Stmt, schema: &'a Schema) -> Vec<Nested<'a>> {
    let mut flat = Flat { schema, place: stmt.span, all: Vec::new(), called: HashSet::new() };
    flat.add(stmt, false, false, 0);
    flat.all
}

/// A statement being expanded.
struct Flat<'a> {
    schema: &'a Schema,
    /// Its span.
    place: Span,
    all: Vec<Nested<'a>>,
    /// The functions that were followed, and whether in a loop: each is followed once, because they may call
    /// themselves.
    called: HashSet<(*const Body, bool)>,
}

impl<'a> Flat<'a> {
    fn add(&mut self, stmt: &'a Stmt, in_body: bool, in_loop: bool, depth: usize) {
        let place = self.place;
        // The text of a function is not in this statement: its findings are reported at the call.
        let elsewhere = in_body && depth > 0 && place != stmt.span && !inside(stmt.span, place);
        let shown = match elsewhere {
            true => Shown::Elsewhere(Box::new(Stmt { span: place, ..stmt.clone() })),
            false => Shown::Here(stmt),
        };
        self.all.push(Nested { stmt: shown, in_body, in_loop });
        if depth >= DEEPEST {
            return;
        }
        match &stmt.kind {
            StmtKind::Do(body) => self.body(body, in_loop, depth),
            StmtKind::DynamicSql { statements, .. } => {
                statements.iter().for_each(|inner| self.add(inner, true, in_loop, depth + 1));
            }
            StmtKind::Call { name, args } => self.routines(name, args.len(), in_loop, depth),
            _ => {}
        }
        for Called { name, args } in &stmt.calls {
            self.routines(name, *args, in_loop, depth);
        }
    }

    fn routines(&mut self, name: &Name, args: usize, in_loop: bool, depth: usize) {
        for function in self.schema.functions(name, args) {
            if self.called.insert((Arc::as_ptr(&function.body), in_loop)) {
                self.body(&function.body, in_loop, depth);
            }
        }
    }

    fn body(&mut self, body: &'a Body, in_loop: bool, depth: usize) {
        for inner in body.statements() {
            self.add(&inner.stmt, true, in_loop || inner.in_loop, depth + 1);
        }
    }
}

fn inside(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn remember_backfill(file: &File, stmts: &[Stmt], memory: &mut Memory) {
    let Some(directive) = &file.directives.backfill else { return };
    let changes = stmts.iter().flat_map(|stmt| stmt.kind.changes());
    let columns = changes.flat_map(|change| change.dml.columns.iter().map(|(column, _)| column.clone()));
    let table = Name::of_directive(&directive.table).key();
    memory.unfilled.forget(&table);
    memory.backfills.push(Backfill { version: file.version, table, columns: columns.collect() });
}

/// The statement that a suppression covers: the first that begins after it.
pub(crate) fn covered(
    suppression: &Suppression,
    statements: &[(Position, Position)],
) -> Option<(Position, Position)> {
    statements.get(statements.partition_point(|(start, _)| *start <= suppression.position)).copied()
}
