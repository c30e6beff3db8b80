//! How the program ends: the codes of sysexits(3) that scripts, systemd and people can tell apart.

use std::fmt;
use std::process::ExitCode;

/// A process's end. The unit restarts none of `Usage`, `NoPerm` and `Config`: trying again cures nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// What was checked did not pass.
    Invalid = 1,
    /// The command line is wrong.
    Usage = 64,
    /// What was read is damaged.
    DataErr = 65,
    /// A named file is missing.
    NoInput = 66,
    /// Something that is needed does not answer.
    Unavailable = 69,
    /// An error of our own.
    Software = 70,
    /// The operating system refused.
    OsErr = 71,
    /// Something cannot be made.
    CantCreate = 73,
    /// Reading or writing failed.
    IoErr = 74,
    /// Not now.
    TempFail = 75,
    /// A permission is missing.
    NoPerm = 77,
    /// The configuration is unfit.
    Config = 78,
}

impl Exit {
    const ALL: [Exit; 13] = [
        Exit::Ok,
        Exit::Invalid,
        Exit::Usage,
        Exit::DataErr,
        Exit::NoInput,
        Exit::Unavailable,
        Exit::Software,
        Exit::OsErr,
        Exit::CantCreate,
        Exit::IoErr,
        Exit::TempFail,
        Exit::NoPerm,
        Exit::Config,
    ];

    /// What another run of the program ended with; whatever we never say is an error of our own.
    pub fn of_code(code: i32) -> Exit {
        Exit::ALL.into_iter().find(|exit| i32::from(exit.code()) == code).unwrap_or(Exit::Software)
    }

    /// What the code means, for the manual and for a last line on standard error.
    pub fn sentence(self) -> &'static str {
        match self {
            Exit::Ok => "Done.",
            Exit::Invalid => "What was checked did not pass.",
            Exit::Usage => "The command line is wrong: see --help.",
            Exit::DataErr => "What was read is damaged or of the wrong kind.",
            Exit::NoInput => "A file that was named is missing or cannot be read.",
            Exit::Unavailable => "The daemon, or a service that it needs, does not answer.",
            Exit::Software => "An error in Budkavle itself: please report it.",
            Exit::OsErr => "The operating system refused something that it normally gives.",
            Exit::CantCreate => "A file or directory cannot be created.",
            Exit::IoErr => "Reading or writing failed: look at the disk.",
            Exit::TempFail => "Not now: try again later.",
            Exit::NoPerm => "Budkavle lacks a permission that it needs.",
            Exit::Config => "The configuration is unfit: budkavle check config says where.",
        }
    }

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_sysexits() {
        let all = [
            (Exit::Ok, 0),
            (Exit::Invalid, 1),
            (Exit::Usage, 64),
            (Exit::DataErr, 65),
            (Exit::NoInput, 66),
            (Exit::Unavailable, 69),
            (Exit::Software, 70),
            (Exit::OsErr, 71),
            (Exit::CantCreate, 73),
            (Exit::IoErr, 74),
            (Exit::TempFail, 75),
            (Exit::NoPerm, 77),
            (Exit::Config, 78),
        ];
        for (exit, code) in all {
            assert_eq!((exit.code(), Exit::of_code(i32::from(code))), (code, exit));
            assert_eq!(ExitCode::from(exit), ExitCode::from(code));
            assert!(exit.to_string().ends_with('.'), "{exit}");
        }
    }
}
