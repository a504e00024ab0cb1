//! What `exec` can do in a container: the original's four functions, and what became of them.
//!
//! Pure.

use super::super::args::usage;
use super::super::report::Failure;

/// One function.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Its arguments and what it does, one line.
    pub usage: &'static str,
    /// Which.
    pub id: FunctionId,
}

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionId {
    /// Run a program.
    Exec,
    /// Not done any more, and why.
    Gone(&'static str),
}

/// All functions, in the original's order.
pub static FUNCTIONS: [Function; 4] = [
    Function { name: "exec", usage: "PROGRAM [ARGUMENT…]: run a program", id: FunctionId::Exec },
    Function {
        name: "mknod",
        usage: "PATH TYPE MAJOR MINOR: not done any more, a device is bound when the container starts",
        id: FunctionId::Gone(
            "a node made from outside would not be in the plan; bind the host's (--bind /dev/NAME:/dev/NAME), or list it in a container.json",
        ),
    },
    Function {
        name: "ip",
        usage: "not done any more, `nsinit exec ip address` asks the container's own program",
        id: FunctionId::Gone("run the container's own program: nsinit exec ip address"),
    },
    Function {
        name: "setup",
        usage: "not done any more, the container's first process makes its own mounts",
        id: FunctionId::Gone(
            "mounts and network are made at the start, by the first process and its launcher; nothing is left to set up",
        ),
    },
];

impl Function {
    /// The function of that name.
    ///
    /// # Errors
    /// When there is none, or it is not done any more.
    pub(super) fn named(name: &str) -> Result<&'static Self, Failure> {
        let found = FUNCTIONS.iter().find(|function| function.name == name).ok_or_else(|| {
            usage(format!("--func {name}: no such function"), "`nsinit exec --list` lists them")
        })?;
        match found.id {
            FunctionId::Gone(why) => Err(usage(format!("--func {name}: not done any more"), why)),
            FunctionId::Exec => Ok(found),
        }
    }

    /// Checks the words after the options.
    ///
    /// # Errors
    /// When the program is missing.
    pub(super) fn check(&self, words: &[String], form: impl Fn() -> String) -> Result<(), Failure> {
        match (self.id, words) {
            (FunctionId::Exec, []) => Err(usage("exec: a program is missing".into(), form())),
            _ => Ok(()),
        }
    }
}

/// What `exec --list` prints: two columns.
#[must_use]
pub fn list() -> String {
    let row = |name: &str, usage: &str| format!("{name:<8}{usage}\n");
    let rows = FUNCTIONS.iter().map(|function| row(function.name, function.usage));
    [row("NAME", "USAGE")].into_iter().chain(rows).collect()
}
