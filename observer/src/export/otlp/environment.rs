//! Lists in the standard variables: `key=value,key=value` with percent-encoded values.

/// Reads a list. The error names the part, never its value, which may be a secret.
pub(super) fn list(text: &str) -> Result<Vec<(String, String)>, String> {
    let parts = text.split(',').map(str::trim);
    let parts = parts.filter(|part| !part.is_empty()).enumerate();
    parts
        .map(|(index, part)| {
            let nth = index + 1;
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("entry {nth} has no `=`"))?;
            let key = key.trim();
            if key.is_empty() {
                return Err(format!("entry {nth} has no name"));
            }
            let value = decode(value.trim())
                .ok_or_else(|| format!("the value of `{key}` is not percent-encoded UTF-8"))?;
            Ok((key.to_owned(), value))
        })
        .collect()
}

/// RFC 3986, section 2.1.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_bad_ones_named_without_their_values() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            list("a=1, b = x%20%3D%C3%A9 ,,c=d=e"),
            Ok(vec![pair("a", "1"), pair("b", "x =é"), pair("c", "d=e")])
        );
        assert_eq!(list(""), Ok(vec![]));
        for bad in [
            "a=1,secret",
            "=secret",
            "a=secret%2",
            "a=secret%zz",
            "a=secret%ff",
        ] {
            let error = list(bad).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
