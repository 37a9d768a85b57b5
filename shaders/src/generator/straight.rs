//! Kernels of one program: a nonce goes in, and each output is a lane that reports a candidate where it is zero.

use super::expression::{Printer, Style, Sums};
use super::language::Language;
use super::program::Program;
use super::{Frame, module};

/// The kernel in WGSL or CUDA C; input 0 of the program is the nonce. With [`Sums::MultiplyAdd`] the job's words have
/// a one behind the program's own.
pub fn straight_text(program: &Program, style: Style, frame: Frame, language: Language) -> String {
    let inputs = ["nonce".to_owned()];
    let printer = Printer { program, style, language, prefix: "t", inputs: &inputs };
    let mut words = program.job_word_count();
    let mut one = String::new();
    if style.sums == Sums::MultiplyAdd {
        one = format!("    {} one = {};\n", language.constant(u32::BITS), language.job_word(words));
        words += 1;
    }
    let indent = frame.indent();
    let mut body = printer.statements(indent);
    let outputs = printer.outputs();
    let lanes = outputs.len();
    for (lane, output) in outputs.iter().enumerate() {
        let offset = if lanes == 1 { "index".to_owned() } else { format!("index * {lanes}u + {lane}u") };
        body += &format!("{indent}if (({output}) == 0u) {{ {} }}\n", language.report(&offset));
    }
    module(language, frame, words, &one, &body)
}
