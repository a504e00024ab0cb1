//! A facts file becomes `HostFacts`, and `HostFacts` a facts file.

use alloc::format;
use alloc::string::{String, ToString};

use serde::Deserialize;

use super::{FactsError, HostFacts};

const FILE: &str = "facts";

/// The one field that every version of the format has.
#[derive(Deserialize)]
struct Version {
    schema: u32,
}

impl HostFacts {
    /// Reads a facts file.
    ///
    /// # Errors
    /// Where the text is not JSON, not of this version, or has a field that facts do not have.
    pub fn from_json(text: &str) -> Result<Self, FactsError> {
        let version: Version = serde_json::from_str(text).map_err(|error| place(&error))?;
        if version.schema != Self::SCHEMA {
            let problem =
                format!("schema {}: this program reads schema {}", version.schema, Self::SCHEMA);
            return Err(FactsError { file: FILE, line: 0, column: 0, problem });
        }
        serde_json::from_str(text).map_err(|error| place(&error))
    }

    /// Writes a facts file: indented, fields in a fixed order, a line feed at the end.
    ///
    /// # Panics
    /// Never: every key of a map in facts is a text.
    #[must_use]
    pub fn to_json_pretty(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("every key in facts is a text");
        text.push('\n');
        text
    }
}

fn place(error: &serde_json::Error) -> FactsError {
    let message = error.to_string();
    let at = format!(" at line {} column {}", error.line(), error.column());
    let problem = message.strip_suffix(&at).unwrap_or(&message).into();
    FactsError { file: FILE, line: error.line(), column: error.column(), problem }
}
