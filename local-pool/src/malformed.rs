//! What the lists of malformed jobs have in common, whichever protocol they are of.

/// An enumeration of ways in which a job is malformed, with their names in fault scripts. The word behind the type's
/// name is for errors.
macro_rules! malformed_kinds {
    ($(#[doc = $about:literal])* $kinds:ident, $word:literal:
     $($(#[doc = $doc:literal])* $variant:ident = $name:literal $(, usable: $usable:literal)?;)*) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kinds {
            $($(#[doc = $doc])* $variant,)*
        }

        impl $kinds {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in fault scripts.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether a tolerant miner can mine this job all the same. The pool credits shares for usable
            /// ones and counts shares for the others as a fault of the miner.
            pub fn usable(self) -> bool {
                match self { $(Self::$variant => [$($usable,)? false][0],)* }
            }
        }

        impl std::fmt::Display for $kinds {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $kinds {
            type Err = String;

            fn from_str(name: &str) -> Result<Self, String> {
                let kind = Self::ALL.iter().copied().find(|kind| kind.name() == name);
                kind.ok_or_else(|| format!(concat!("unknown kind of malformed ", $word, " `{}`"), name))
            }
        }
    };
}

pub(crate) use malformed_kinds;
