//! The page `docs/performance.md`: a run replaces what stands between its marks, and leaves what people have written.

use anyhow::{Context, Result, ensure};

/// The page with the section of this name replaced.
///
/// # Errors
///
/// The page has no such section, or no end of it.
pub(super) fn replaced(page: &str, section: &str, content: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- measured: {section} -->"), format!("<!-- end of {section} -->"));
    let (before, rest) = page.split_once(&begin).with_context(|| format!("the page has no \"{begin}\""))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("the page has no \"{end}\""))?;
    ensure!(!after.contains(&begin), "the page has \"{begin}\" twice");
    Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", content.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# By hand\n<!-- measured: a -->\nold\n<!-- end of a -->\nby hand, too\n";

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = replaced(PAGE, "a", "new\n").unwrap();
        let expected = "# By hand\n<!-- measured: a -->\n\nnew\n\n<!-- end of a -->\nby hand, too\n";
        assert_eq!(page, expected);
        assert_eq!(replaced(&page, "a", "new").unwrap(), expected);
    }

    #[test]
    fn a_page_without_the_marks_is_refused() {
        assert!(replaced(PAGE, "b", "new").is_err());
        assert!(replaced("<!-- measured: a -->", "a", "new").is_err());
    }
}
