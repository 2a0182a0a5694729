//! Where a value of JSON ends.

/// Follows the brackets and quotes of one value.
#[derive(Default)]
pub(super) struct Extent {
    depth: u64,
    has_begun: bool,
    in_string: bool,
    is_escaped: bool,
}

impl Extent {
    /// How many of the next bytes belong to the value, and whether it ends with them.
    pub(super) fn of(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (place, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (place + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            let is_plain =
                !matches!(byte, b'"' | b'{' | b'[' | b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r');
            if self.depth == 0 && !is_plain && (self.has_begun || !matches!(byte, b'"' | b'{' | b'[')) {
                return (place, true);
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (place + 1, true);
                    }
                }
                _ => {}
            }
            self.has_begun = true;
        }
        (bytes.len(), false)
    }
}
