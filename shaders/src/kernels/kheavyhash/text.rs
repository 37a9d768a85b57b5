//! The two permutations and the product, put together to a kernel.

use rminer_algos::kheavyhash::ROUND;

use super::lanes::LaneWord;
use super::permutation::{LANES, Permutation};
use super::product::{Product, Rows};
use crate::generator::{Frame, Language, Printer, Program, Style, module, split};

/// The programs of a kernel, and what lies between them.
pub(super) struct Kernel<W> {
    pub(super) first: Permutation<W>,
    pub(super) second: Permutation<W>,
    pub(super) product: Product,
    pub(super) rows: Rows,
}

/// Where things lie in the job's buffer: the slots of the first program, the target's top, a group of four words for
/// each round of the loop, the matrix.
struct Layout {
    target_word: usize,
    constants_vec4: usize,
    matrix_vec4: usize,
    vec4s: usize,
}

impl<W: LaneWord> Kernel<W> {
    /// Groups of four words in the job's buffer.
    pub(super) fn job_vec4s(&self) -> usize {
        self.layout().vec4s
    }

    /// The job's buffer: `slots` are the words of the first program.
    pub(super) fn job_words(&self, mut slots: Vec<u32>, target_top: u32, matrix: Vec<u32>) -> Vec<u32> {
        slots.push(target_top);
        slots.resize(slots.len().next_multiple_of(4), 0);
        for constant in ROUND.iter().skip(1).take(self.looped_rounds()) {
            let [low, high] = split(*constant);
            slots.extend([low, high, 0, 0]);
        }
        slots.extend(matrix);
        slots
    }

    /// The whole kernel.
    pub(super) fn text(&self, language: Language, frame: Frame) -> String {
        let (layout, indent) = (self.layout(), frame.indent());
        let fixed = language.constant(u32::BITS);
        let mut body = format!("{indent}{fixed} nonce_high = {};\n", language.nonce_high());
        let inputs = lanes_of_words::<W>(language, &["nonce".to_owned(), "nonce_high".to_owned()]);
        let digest =
            permutation(language, &self.first, ["a", "b", "c", "s"], inputs, &layout, indent, &mut body);
        for (word, value) in words_of_values::<W>(language, &digest).into_iter().enumerate() {
            body += &format!("{indent}{fixed} h{word} = {value};\n");
        }
        body += &self.product.text(language, self.rows, layout.matrix_vec4, indent);
        let inputs =
            lanes_of_words::<W>(language, &std::array::from_fn::<_, 8, _>(|word| format!("x{word}")));
        let top =
            permutation(language, &self.second, ["d", "e", "f", "z"], inputs, &layout, indent, &mut body);
        let top = words_of_values::<W>(language, &top).pop().unwrap_or_default();
        let target = language.job_word(layout.target_word);
        body += &format!("{indent}if ({top} <= {target}) {{ {} }}\n", language.report("index"));
        module(language, frame, 4 * layout.vec4s, "", &body)
    }

    fn looped_rounds(&self) -> usize {
        self.first.looped.as_ref().map_or(0, |looped| (looped.turns * looped.rounds_a_turn) as usize)
    }

    fn layout(&self) -> Layout {
        let target_word = self.first.head.job_word_count();
        let constants_vec4 = (target_word + 1).div_ceil(4);
        let matrix_vec4 = constants_vec4 + self.looped_rounds();
        Layout { target_word, constants_vec4, matrix_vec4, vec4s: matrix_vec4 + self.product.vec4s() }
    }
}

/// Adds the text of a permutation to `body`; names of its results. `names` are what names in its head, loop and tail
/// and of the state between them begin with.
fn permutation<W: LaneWord>(
    language: Language,
    permutation: &Permutation<W>,
    names: [&str; 4],
    inputs: Vec<String>,
    layout: &Layout,
    indent: &str,
    body: &mut String,
) -> Vec<String> {
    let [in_head, in_loop, in_tail, in_state] = names;
    let print = |program: &Program<W>, prefix: &str, inputs: &[String], indent: &str| {
        let printer = Printer { program, style: Style::default(), language, prefix, inputs };
        (printer.statements(indent), printer.outputs())
    };
    let (statements, outputs) = print(&permutation.head, in_head, &inputs, indent);
    *body += &statements;
    let Some(looped) = &permutation.looped else { return outputs };
    let changing = language.variable(W::BITS);
    for (number, output) in outputs.iter().enumerate() {
        *body += &format!("{indent}{changing} {in_state}{number} = {output};\n");
    }
    *body += &language.turns("turn", looped.turns, indent);
    let inner = format!("{indent}    ");
    let mut inputs: Vec<String> =
        (0..LANES * W::VALUES).map(|number| format!("{in_state}{number}")).collect();
    for round in 0..looped.rounds_a_turn {
        let (name, each) = (format!("k{round}"), looped.rounds_a_turn);
        let place = format!("{}u + turn * {each}u + {round}u", layout.constants_vec4);
        *body += &format!("{inner}{}\n", language.job_vec4(&name, &place));
        inputs.extend(lanes_of_words::<W>(language, &[format!("{name}.x"), format!("{name}.y")]));
    }
    let (statements, outputs) = print(&looped.turn, in_loop, &inputs, &inner);
    *body += &statements;
    for (number, output) in outputs.iter().enumerate() {
        *body += &format!("{inner}{in_state}{number} = {output};\n");
    }
    *body += &format!("{indent}}}\n");
    inputs.truncate(LANES * W::VALUES);
    let (statements, outputs) = print(&looped.tail, in_tail, &inputs, indent);
    *body += &statements;
    outputs
}

/// Lanes as their values, spelled out of pairs of words.
fn lanes_of_words<W: LaneWord>(language: Language, words: &[String]) -> Vec<String> {
    if W::BITS == u32::BITS {
        return words.to_vec();
    }
    words.chunks_exact(2).map(|pair| language.wide(&pair[0], &pair[1])).collect()
}

/// The words that values are made of.
fn words_of_values<W: LaneWord>(language: Language, values: &[String]) -> Vec<String> {
    if W::BITS == u32::BITS {
        return values.to_vec();
    }
    values.iter().flat_map(|value| language.halves(value)).collect()
}
