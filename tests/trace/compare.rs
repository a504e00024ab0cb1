//! What was expected and what was seen become nothing, or the first place where they differ.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::events::{Actors, Event, Seen};
use crate::expected::{Expected, Item};

/// Actor by actor.
pub(crate) fn compare(expected: &[Expected], seen: &Actors) -> Result<(), String> {
    if expected.len() != seen.len() {
        return Err(format!("{} processes instead of {}", seen.len(), expected.len()));
    }
    for (actor, (lines, events)) in expected.iter().zip(seen).enumerate() {
        let mut walk =
            Walk { events, at: 0, known: HashMap::new(), done: Vec::new(), refused: Vec::new() };
        for (step, items) in lines {
            walk.all(items).map_err(|why| {
                format!("process {actor}, {step}:\n{why}\n{}", walk.surroundings())
            })?;
        }
        if let Some(more) = walk.next() {
            let more = more.to_owned();
            return Err(format!(
                "process {actor}: a call that no step says: {more}\n{}",
                walk.surroundings()
            ));
        }
    }
    Ok(())
}

struct Walk<'a> {
    events: &'a [Event],
    at: usize,
    /// What the process itself was told last.
    known: HashMap<&'a str, Seen>,
    done: Vec<&'a str>,
    /// What was refused since the last change.
    refused: Vec<(&'a str, &'a str)>,
}

impl<'a> Walk<'a> {
    /// The next change; everything up to it is taken note of.
    fn next(&mut self) -> Option<&'a str> {
        while let Some(event) = self.events.get(self.at) {
            match event {
                Event::Did(call) => return Some(call),
                Event::Refused(call, errno) => self.refused.push((call, errno)),
                Event::Saw(label, seen) => self.saw(label, seen),
            }
            self.at += 1;
        }
        None
    }

    /// A file is read in pieces; between two readings it is opened.
    fn saw(&mut self, label: &'a str, seen: &Seen) {
        match (self.known.get_mut(label), seen) {
            (Some(Seen::Text(before)), Seen::Text(more)) => before.push_str(more),
            _ => drop(self.known.insert(label, seen.clone())),
        }
    }

    fn take(&mut self, call: &'a str) {
        self.done.push(call);
        self.refused.clear();
        self.at += 1;
    }

    fn all(&mut self, items: &[Item]) -> Result<(), String> {
        items.iter().try_for_each(|item| self.item(item))
    }

    fn one_of(&mut self, calls: &[String]) -> Result<(), String> {
        match self.next() {
            Some(found) if calls.iter().any(|call| call == found) => {
                self.take(found);
                Ok(())
            }
            found => Err(format!(
                "  expected {}\n  found    {}",
                calls.join("\n        or "),
                found.unwrap_or("nothing more")
            )),
        }
    }

    fn item(&mut self, item: &Item) -> Result<(), String> {
        match item {
            Item::Do(call) => self.one_of(std::slice::from_ref(call)),
            Item::Any(calls) => self.one_of(calls),
            Item::May(call) => {
                if let Some(found) = self.next().filter(|found| found == call) {
                    self.take(found);
                }
                Ok(())
            }
            Item::Try(call, errors) => {
                let next = self.next();
                let is_refused =
                    self.refused.iter().any(|(c, errno)| c == call && errors.contains(errno));
                if next != Some(call) && is_refused {
                    return Ok(());
                }
                self.one_of(std::slice::from_ref(call))
            }
            Item::IfMissing(label, then) => {
                let next = self.next();
                let is_missing = match self.known.get(&**label) {
                    Some(seen) => *seen == Seen::Missing,
                    // In an empty file system it is made without a look.
                    None => {
                        matches!(then.last(), Some(Item::Do(call) | Item::Try(call, _)) if next == Some(call))
                    }
                };
                if is_missing { self.all(then) } else { Ok(()) }
            }
            Item::IfThere(label, directory, other) => {
                self.next();
                match self.known.get(&**label) {
                    None => Err(format!("  {label} was never looked at")),
                    Some(Seen::Missing) => Ok(()),
                    Some(Seen::Directory) => self.all(directory),
                    Some(_) => self.all(other),
                }
            }
            Item::IfDone(call, then, otherwise) => {
                let is_done = self.done.contains(&&**call);
                self.all(if is_done { then } else { otherwise })
            }
            Item::Inherit(own, above) => {
                self.next();
                let (held, given) = (self.text(own), self.text(above));
                let call = format!("write {own} {given:?}");
                if held.is_empty() { self.one_of(&[call]) } else { Ok(()) }
            }
            Item::Enable(file, controllers) => {
                self.next();
                let on = self.text(file);
                let is_off =
                    |name: &&String| !on.split_whitespace().any(|word| word == name.as_str());
                let off: Vec<_> =
                    controllers.iter().filter(is_off).map(|name| format!("+{name}")).collect();
                let call = format!("write {file} {:?}", off.join(" "));
                if off.is_empty() { Ok(()) } else { self.one_of(&[call]) }
            }
        }
    }

    /// What was read from a file last; nothing where that was nothing.
    fn text(&self, label: &str) -> String {
        match self.known.get(label) {
            Some(Seen::Text(text)) => text.trim().to_owned(),
            _ => String::new(),
        }
    }

    fn surroundings(&self) -> String {
        let (from, to) = (self.at.saturating_sub(6), (self.at + 4).min(self.events.len()));
        let mut text = String::from("around it:\n");
        for (at, event) in (from..).zip(&self.events[from..to]) {
            let _ = writeln!(text, "  {} {event:?}", if at == self.at { '>' } else { ' ' });
        }
        text
    }
}
