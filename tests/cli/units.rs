//! Properties of quantities.

use nsplan::cli::units::{Bytes, Cpus, Span, UnitError};
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_printed_is_read_back(bytes: u64, quota in 1_000..i64::MAX, millis in 0..u64::MAX) {
        prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        let cpus = Cpus { quota };
        prop_assert_eq!(cpus.to_string().parse(), Ok(cpus));
        let span = Span(std::time::Duration::from_millis(millis));
        prop_assert_eq!(span.to_string().parse(), Ok(span));
    }

    #[test]
    fn canonical_sizes_print_as_they_were_written(count in 1u64..1024, suffix in "[kmgtp]?") {
        prop_assume!(count % 1024 != 0);
        let text = format!("{count}{suffix}");
        prop_assert_eq!(text.parse::<Bytes>().map(|bytes| bytes.to_string()), Ok(text));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC*", digits in "[0-9.]{0,60}[a-zA-Z]{0,3}") {
        for text in [text, digits] {
            let _ = text.parse::<Bytes>();
            let _ = text.parse::<Cpus>();
            let _ = text.parse::<Span>();
        }
    }

    #[test]
    fn what_does_not_fit_is_refused(extra in 0u128..u128::from(u64::MAX)) {
        let text = (u128::from(u64::MAX) + 1 + extra).to_string();
        prop_assert_eq!(text.parse::<Bytes>(), Err(UnitError::TooLarge));
        prop_assert_eq!(text.parse::<Cpus>(), Err(UnitError::TooLarge));
        prop_assert_eq!(text.parse::<Span>(), Err(UnitError::TooLarge));
    }
}
