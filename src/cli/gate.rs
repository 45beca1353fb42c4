//! `tidegate gate check` judges cases by a policy, and `tidegate gate explain` says why.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::CliError;
use super::schema::read_schema_file;
use crate::gate::{CaseJudge, Roster};
use crate::limits::{CASE_BYTES_MAX, DOCUMENT_BYTES_MAX};
use crate::model::Schema;
use crate::policy::{CsvFile, PolicyDocument, read_organization_csv, read_policy};

/// `tidegate gate`
#[derive(Debug, Args)]
pub(super) struct GateCommand {
    #[command(subcommand)]
    command: GateSubcommand,
}

#[derive(Debug, Subcommand)]
enum GateSubcommand {
    /// Judge cases by a policy, one answer a line.
    ///
    /// Each line of CASES is one JSON object; the line of the answer is `{"allowed":true}` or
    /// `{"allowed":false,"rule":R}`, in order. A line that is no case is answered with the rule
    /// `malformed`, and the next is judged as usual. The exit code says whether all lines were
    /// answered, not what the answers are.
    Check(CheckArgs),
    /// Say why a policy allows cases or denies them.
    ///
    /// For each case the answer, and below it everything that it needs, in order: what let the user
    /// in, or what would have. The exit code says whether all lines were answered, not what the
    /// answers are.
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    rules: RulesArgs,
    /// The cases, one JSON object a line; `-` reads standard input.
    #[arg(long, value_name = "CASES.jsonl")]
    cases: PathBuf,
    /// Report an error that ends the command as JSON on standard error too. (Answers are JSON
    /// lines either way.)
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ExplainArgs {
    #[command(flatten)]
    rules: RulesArgs,
    /// The cases, one JSON object a line; `-` reads standard input.
    #[arg(long, value_name = "CASES.jsonl", required_unless_present = "case")]
    cases: Option<PathBuf>,
    /// One case, as a JSON object.
    #[arg(value_name = "CASE", conflicts_with = "cases")]
    case: Option<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// What is judged by.
#[derive(Debug, Args)]
struct RulesArgs {
    /// The policy: TOML, or JSON if the name ends in `.json`.
    #[arg(long, value_name = "POLICY")]
    policy: PathBuf,
    /// The schema, where the policy does not declare its tables.
    #[arg(long, value_name = "SCHEMA")]
    schema: Option<PathBuf>,
    /// A directory with `business_unit.csv` and `user.csv`, where the policy does not declare the
    /// organization.
    #[arg(long, value_name = "DIRECTORY")]
    organization: Option<PathBuf>,
}

impl GateCommand {
    pub(super) fn as_json(&self) -> bool {
        match &self.command {
            GateSubcommand::Check(check) => check.json,
            GateSubcommand::Explain(explain) => explain.json,
        }
    }

    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.command {
            GateSubcommand::Check(check) => check.run(),
            GateSubcommand::Explain(explain) => explain.run(),
        }
    }
}

impl CheckArgs {
    fn run(&self) -> Result<(), CliError> {
        let mut judge = self.rules.judge()?;
        answer_all(&self.cases, |line, output| {
            serde_json::to_writer(&mut *output, &judge.answer(line))?;
            output.write_all(b"\n")
        })
    }
}

impl ExplainArgs {
    fn run(&self) -> Result<(), CliError> {
        let mut judge = self.rules.judge()?;
        let mut first = true;
        let mut explain = |line: &[u8], output: &mut dyn Write| {
            let explanation = judge.explain(line);
            if self.json {
                serde_json::to_writer(&mut *output, &explanation)?;
                return output.write_all(b"\n");
            }
            if !std::mem::take(&mut first) {
                output.write_all(b"\n")?;
            }
            writeln!(output, "{explanation}")
        };
        match (&self.case, &self.cases) {
            (Some(case), _) => {
                explain(case.as_bytes(), &mut io::stdout().lock()).map_err(cannot_write)
            }
            (None, Some(cases)) => answer_all(cases, explain),
            (None, None) => Err(CliError::Input("give --cases CASES.jsonl, or one case".into())),
        }
    }
}

impl RulesArgs {
    /// Reads the documents.
    fn judge(&self) -> Result<CaseJudge, CliError> {
        let schema = self.schema.as_deref().map(read_schema_file).transpose()?;
        let document = read_rules(&self.policy, schema.as_ref(), self.organization.as_deref())?;
        let organization = document.organization.ok_or_else(|| {
            let file = self.policy.display();
            let help = "declare the root [[business_unit]], or give --organization DIRECTORY";
            CliError::Input(format!("{file}: the policy declares no business unit: {help}"))
        })?;
        let roster = Roster::new(Arc::new(document.policy), Arc::new(organization));
        Ok(CaseJudge::new(roster, document.tables))
    }
}

/// Reads a policy, with the organization that it declares, or that of a directory.
pub(super) fn read_rules(
    policy: &Path,
    schema: Option<&Schema>,
    organization: Option<&Path>,
) -> Result<PolicyDocument, CliError> {
    let file = policy.to_string_lossy();
    let text = read_text(policy)?;
    let read =
        |organization| read_policy(&text, &file, schema, organization).map_err(CliError::input);
    let document = read(None)?;
    let Some(directory) = organization else { return Ok(document) };
    let path = |name: &str| directory.join(name);
    let (units, users) = (path("business_unit.csv"), path("user.csv"));
    let (unit_bytes, user_bytes) = (read_bytes(&units)?, read_bytes(&users)?);
    let organization = read_organization_csv(
        CsvFile { name: &units.to_string_lossy(), bytes: &unit_bytes },
        CsvFile { name: &users.to_string_lossy(), bytes: &user_bytes },
        Some(&document.policy),
    )
    .map_err(CliError::input)?;
    // Again, now that the users it names can be checked.
    let document = read(Some(&organization))?;
    Ok(PolicyDocument { organization: Some(organization), ..document })
}

/// Answers each line in order.
fn answer_all(
    cases: &Path,
    answer: impl FnMut(&[u8], &mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    if cases == Path::new("-") {
        return answer_lines(io::stdin().lock(), answer);
    }
    let file = File::open(cases).map_err(|error| cannot_read(cases, &error))?;
    answer_lines(BufReader::with_capacity(1 << 16, file), answer)
}

fn answer_lines(
    mut cases: impl BufRead,
    mut answer: impl FnMut(&[u8], &mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    let mut output = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut line = Vec::new();
    loop {
        line.clear();
        let more = read_line(&mut cases, &mut line)
            .map_err(|error| CliError::Input(format!("cannot read the cases: {error}")))?;
        if !more {
            break;
        }
        answer(&line, &mut output).map_err(cannot_write)?;
    }
    output.flush().map_err(cannot_write)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
fn cannot_write(error: io::Error) -> CliError {
    CliError::Run(format!("cannot write the answers: {error}"))
}

/// Reads a line without its end. Of one over [`CASE_BYTES_MAX`] it keeps that much, which is no
/// JSON any more, and skips the rest.
fn read_line(cases: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    let bytes_max = u64::try_from(CASE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    if cases.by_ref().take(bytes_max).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > CASE_BYTES_MAX {
        skip_line(cases)?;
        line.truncate(1);
    }
    Ok(true)
}

fn skip_line(cases: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = cases.fill_buf()?;
        let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        cases.consume(used);
        if ended {
            return Ok(());
        }
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> CliError {
    CliError::Input(format!("cannot read {}: {error}", path.display()))
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let read = || {
        let mut bytes = Vec::new();
        // One byte over the bound is enough for the reader to refuse it.
        let bytes_max = u64::try_from(DOCUMENT_BYTES_MAX + 1).unwrap_or(u64::MAX);
        File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| cannot_read(path, &error))
}

pub(super) fn read_text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read_bytes(path)?)
        .map_err(|error| CliError::Input(format!("{}: not UTF-8: {error}", path.display())))
}
