//! What runs becomes lists: of containers, of one's processes, as tables and as the JSON that engines read.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::clock::rfc3339;
use super::report::{Failure, Problem};
use super::run::pretty;
use super::running::oci_state;
use crate::apply::{Listed, Status};
use crate::config::OCI_VERSION;
use crate::facts::parse_passwd;
use crate::plan::Record;

/// The text of `list`.
pub(super) fn containers(all: &[Listed], json: bool, quiet: bool) -> Result<String, Failure> {
    if quiet {
        return Ok(all.iter().fold(String::new(), |text, one| text + &one.id + "\n"));
    }
    let owner = owner();
    if json {
        let states = all.iter().map(|one| match &one.record {
            Some(record) => described(record, one.status, &owner),
            None => json!({
                "ociVersion": OCI_VERSION,
                "id": one.id,
                "pid": 0,
                "status": one.status.to_string(),
                "owner": owner,
            }),
        });
        return pretty(&states.collect::<Vec<Value>>());
    }
    let mut rows = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(String::from)];
    for one in all {
        let record = one.record.as_deref();
        let pid = record.filter(|_| one.status != Status::Stopped).map_or(0, |record| record.pid);
        let bundle = record.and_then(|record| record.bundle.as_ref());
        let bundle = bundle.map_or_else(|| "-".to_owned(), ToString::to_string);
        let created = record.map_or_else(|| "-".to_owned(), created);
        let status = one.status.to_string();
        rows.push([one.id.clone(), pid.to_string(), status, bundle, created, owner.clone()]);
    }
    let mut text = table(&rows);
    for one in all {
        if let Some(problem) = &one.problem {
            let _ = writeln!(text, "{problem}");
        }
    }
    Ok(text)
}

/// The state of the spec, and what runc tells beside it.
pub(super) fn described(record: &Record, status: Status, owner: &str) -> Value {
    let mut state = oci_state(record, status);
    if status == Status::Stopped {
        state["pid"] = 0.into();
    }
    state["rootfs"] = record.planned.rootfs.as_str().into();
    state["created"] = created(record).into();
    state["owner"] = owner.into();
    state
}

fn created(record: &Record) -> String {
    rfc3339(UNIX_EPOCH + Duration::from_millis(record.created))
}

/// Whose containers these are: a state directory that belongs to somebody else than the caller is not looked into.
pub(super) fn owner() -> String {
    let uid = nix::unistd::geteuid().as_raw();
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name =
        parse_passwd(&text).find(|entry| entry.uid == uid).map(|entry| entry.name.to_owned());
    name.unwrap_or_else(|| format!("#{uid}"))
}

/// Columns as wide as they must be.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(line, "{cell:<width$}   ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The table of `ps`: what the host's `ps` with these options says of the processes. Without such a program, and unless
/// options were given, their numbers.
pub(super) fn processes(pids: &[u32], options: &[String]) -> Result<String, Failure> {
    let usual = ["-ef".to_owned()];
    let words = if options.is_empty() { &usual[..] } else { options };
    let output = match Command::new("ps").args(words).output() {
        Err(error) if error.kind() == ErrorKind::NotFound && options.is_empty() => {
            return Ok(pids
                .iter()
                .fold("PID\n".to_owned(), |text, pid| text + &format!("{pid}\n")));
        }
        answer => answer.map_err(|error| Problem::of(&error).at("ps"))?,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("failed");
        return Err(Problem::new(format!("ps {}: {said}", words.join(" "))).into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    select(&text, pids).ok_or_else(|| {
        let hint = "ask for a column PID, or for --format json";
        Problem::new(format!("ps {}: no column PID", words.join(" "))).hint(hint).into()
    })
}

/// The header, and the lines whose column `PID` is one of the numbers.
fn select(text: &str, pids: &[u32]) -> Option<String> {
    let header = text.lines().next()?;
    let column = header.split_whitespace().position(|word| word == "PID")?;
    let is_one = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|word| word.parse().ok());
        pid.is_some_and(|pid: u32| pids.contains(&pid))
    };
    let lines = text.lines().skip(1).filter(is_one);
    Some([header].into_iter().chain(lines).fold(String::new(), |text, line| text + line + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_processes_are_shown() {
        let text = "UID   PID CMD\nroot    1 init 7\nroot    7 sh\nwww    70 sleep 7\n";
        assert_eq!(
            select(text, &[7, 70]).as_deref(),
            Some("UID   PID CMD\nroot    7 sh\nwww    70 sleep 7\n")
        );
        assert_eq!(select(text, &[]).as_deref(), Some("UID   PID CMD\n"));
        assert_eq!(select("UID CMD\nroot x\n", &[7]), None);
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [["ID".to_owned(), "PID".into()], ["longer".into(), "7".into()]];
        assert_eq!(table(&rows), "ID       PID\nlonger   7\n");
    }
}
