//! Makes programs by the model of a processor with three ports (specs 6.2 and 6.3).

use super::{Instruction, Kind, Program};
use crate::Config;
use crate::blake::Blake2Generator;

/// Ports of the model, as bits. Port 1 alone multiplies.
const P0: u8 = 1;
const P1: u8 = 2;
const P5: u8 = 4;
const ANY: u8 = P0 | P1 | P5;

/// Cycles that operands are waited for.
const LOOK_FORWARD_CYCLES: u32 = 4;

/// Instructions in a row that may be given up for want of operands, before the decode group is.
const THROWN_AWAY: u32 = 256;

/// The register that cannot be the destination of IADD_RS.
const NO_SUM_REGISTER: u8 = 5;

/// One operation of the model (specs, table 6.2.1). Its bytes of code show in the slots of decode groups alone.
#[derive(Debug)]
struct MacroOp {
    latency: u32,
    /// Ports that each of its parts can go to; none for a move, which needs no port.
    ports: &'static [u8],
    /// Whether it waits for the operation before it in the same instruction.
    waits: bool,
}

const fn simple(latency: u32, ports: &'static [u8]) -> MacroOp {
    MacroOp { latency, ports, waits: false }
}

static PLAIN: [MacroOp; 1] = [simple(1, &[ANY])];
static SUM: [MacroOp; 1] = [simple(1, &[P0 | P1])];
static PRODUCT: [MacroOp; 1] = [simple(3, &[P1])];
static ROTATION: [MacroOp; 1] = [simple(1, &[P0 | P5])];
static HIGH_PRODUCT: [MacroOp; 3] = [simple(0, &[]), simple(4, &[P1, P5]), simple(0, &[])];
static RECIPROCAL: [MacroOp; 2] = [simple(1, &[ANY]), MacroOp { latency: 3, ports: &[P1], waits: true }];

impl Kind {
    fn operations(self) -> &'static [MacroOp] {
        match self {
            Self::IaddRs => &SUM,
            Self::ImulR => &PRODUCT,
            Self::IrorC => &ROTATION,
            Self::ImulhR | Self::IsmulhR => &HIGH_PRODUCT,
            Self::ImulRcp => &RECIPROCAL,
            _ => &PLAIN,
        }
    }

    /// Number of the operation at which the source is chosen, if there is one.
    fn source_operation(self) -> Option<usize> {
        match self {
            Self::IsubR | Self::IxorR | Self::IaddRs | Self::ImulR => Some(0),
            Self::ImulhR | Self::IsmulhR => Some(1),
            _ => None,
        }
    }

    /// Number of the operation at which the destination is chosen.
    fn destination_operation(self) -> usize {
        usize::from(self == Self::ImulRcp)
    }

    /// Number of the operation that gives the result.
    fn result_operation(self) -> usize {
        usize::from(matches!(self, Self::ImulhR | Self::IsmulhR | Self::ImulRcp))
    }

    /// What two operations on a register in a row must not both be, unless their parameters differ.
    fn group(self) -> Self {
        match self {
            Self::IsubR => Self::IaddRs,
            Self::IaddC8 | Self::IaddC9 => Self::IaddC7,
            Self::IxorC8 | Self::IxorC9 => Self::IxorC7,
            other => other,
        }
    }
}

/// How the 16 bytes that are decoded in one cycle are divided (specs, table 6.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group(&'static [u8]);

const GROUP_484: Group = Group(&[4, 8, 4]);
const GROUP_7333: Group = Group(&[7, 3, 3, 3]);
const GROUP_3733: Group = Group(&[3, 7, 3, 3]);
const GROUP_493: Group = Group(&[4, 9, 3]);
const GROUP_4444: Group = Group(&[4, 4, 4, 4]);
const GROUP_3310: Group = Group(&[3, 3, 10]);

impl Group {
    /// The next one, behind an instruction of kind `last` that may be unfinished (specs 6.3.1).
    fn choose(last: Option<Kind>, cycle: u32, multiplications: u32, generator: &mut Blake2Generator) -> Self {
        match last {
            Some(Kind::ImulhR | Kind::IsmulhR) => GROUP_3310,
            _ if multiplications < cycle + 1 => GROUP_4444,
            Some(Kind::ImulRcp) if generator.byte() & 1 == 1 => GROUP_484,
            Some(Kind::ImulRcp) => GROUP_493,
            _ => [GROUP_484, GROUP_7333, GROUP_3733, GROUP_493][usize::from(generator.byte() & 3)],
        }
    }

    /// The kind of instruction that begins in this slot (specs, table 6.3.2).
    fn kind(self, slot: usize, generator: &mut Blake2Generator) -> Kind {
        let last = slot + 1 == self.0.len();
        let mut of_two = |kinds: [Kind; 2]| kinds[usize::from(generator.byte() & 1)];
        match self.0[slot] {
            3 if last => {
                [Kind::IsubR, Kind::IxorR, Kind::ImulhR, Kind::IsmulhR][usize::from(generator.byte() & 3)]
            }
            3 => of_two([Kind::IsubR, Kind::IxorR]),
            4 if self == GROUP_4444 && !last => Kind::ImulR,
            4 => of_two([Kind::IrorC, Kind::IaddRs]),
            7 => of_two([Kind::IxorC7, Kind::IaddC7]),
            8 => of_two([Kind::IxorC8, Kind::IaddC8]),
            9 => of_two([Kind::IxorC9, Kind::IaddC9]),
            _ => Kind::ImulRcp,
        }
    }
}

/// What tells two operations of one group on a register apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameter {
    Constant,
    Source(u8),
    /// A number drawn for this instruction. It is compared with nothing but such numbers.
    Drawn(u32),
}

/// An instruction whose operands are being chosen.
#[derive(Debug, Clone, Copy)]
struct Draft {
    kind: Kind,
    modifier: u8,
    imm32: u32,
    parameter: Parameter,
    src: Option<u8>,
    dst: Option<u8>,
}

impl Draft {
    fn new(kind: Kind, generator: &mut Blake2Generator) -> Self {
        let mut draft =
            Self { kind, modifier: 0, imm32: 0, parameter: Parameter::Constant, src: None, dst: None };
        match kind {
            Kind::IaddRs => draft.modifier = generator.byte(),
            Kind::IrorC => {
                while draft.imm32 == 0 {
                    draft.imm32 = u32::from(generator.byte() & 63);
                }
            }
            Kind::ImulhR | Kind::IsmulhR => draft.parameter = Parameter::Drawn(generator.word()),
            Kind::ImulRcp => {
                while draft.imm32 & draft.imm32.wrapping_sub(1) == 0 {
                    draft.imm32 = generator.word();
                }
            }
            Kind::IsubR | Kind::IxorR | Kind::ImulR => {}
            _ => draft.imm32 = generator.word(),
        }
        draft
    }

    fn finished(self) -> Option<Instruction> {
        let dst = self.dst?;
        Some(Instruction::new(self.kind, dst, self.src.unwrap_or(dst), self.modifier, self.imm32))
    }
}

/// What the model knows of a register.
#[derive(Debug, Clone, Copy)]
struct Register {
    /// Cycle from which its value is there.
    ready: u32,
    /// Group and parameter of the last operation on it.
    last: Option<(Kind, Parameter)>,
}

/// Registers that can be chosen, in order.
#[derive(Debug, Default)]
struct Candidates {
    numbers: [u8; 8],
    count: usize,
}

impl Candidates {
    fn of(registers: &[Register; 8], allowed: impl Fn(u8, &Register) -> bool) -> Self {
        let mut candidates = Self::default();
        for (number, register) in (0u8..).zip(registers) {
            if allowed(number, register) {
                candidates.numbers[candidates.count] = number;
                candidates.count += 1;
            }
        }
        candidates
    }

    /// No number is drawn where there is no choice.
    fn choose(&self, generator: &mut Blake2Generator) -> Option<u8> {
        match self.count {
            0 => None,
            1 => Some(self.numbers[0]),
            count => Some(self.numbers[generator.word() as usize % count]),
        }
    }
}

/// The state of the model.
struct Model<'a> {
    generator: &'a mut Blake2Generator,
    registers: [Register; 8],
    /// Ports taken in each cycle. Beyond its end nothing can be scheduled.
    busy: Vec<u8>,
}

impl Model<'_> {
    /// First cycle, not before `cycle`, in which all parts of `operation` find a port, and those ports.
    fn schedule(&self, operation: &MacroOp, cycle: u32) -> Option<(u32, u8)> {
        if operation.ports.is_empty() {
            return Some((cycle, 0));
        }
        let busy = self.busy.get(cycle as usize..)?;
        (cycle..).zip(busy).find_map(|(cycle, &busy)| {
            let mut taken = 0;
            for ports in operation.ports {
                let free = ports & !busy & !taken;
                taken |= [P5, P0, P1].into_iter().find(|port| free & port != 0)?;
            }
            Some((cycle, taken))
        })
    }

    /// Chooses the source (specs 6.3.4).
    fn choose_source(&mut self, draft: &mut Draft, cycle: u32) -> bool {
        let ready = Candidates::of(&self.registers, |_, register| register.ready <= cycle);
        let only_as_source =
            draft.kind == Kind::IaddRs && ready.count == 2 && ready.numbers[..2].contains(&NO_SUM_REGISTER);
        draft.src = if only_as_source { Some(NO_SUM_REGISTER) } else { ready.choose(self.generator) };
        if let Some(src) = draft.src
            && !matches!(draft.parameter, Parameter::Drawn(_))
        {
            draft.parameter = Parameter::Source(src);
        }
        draft.src.is_some()
    }

    /// Chooses the destination (specs 6.3.4).
    fn choose_destination(&mut self, draft: &mut Draft, cycle: u32, chained_products: bool) -> bool {
        let (kind, group) = (draft.kind, draft.kind.group());
        let same_allowed = matches!(kind, Kind::ImulhR | Kind::IsmulhR);
        let candidates = Candidates::of(&self.registers, |number, register| {
            let chained = group == Kind::ImulR && register.last.is_some_and(|(last, _)| last == Kind::ImulR);
            register.ready <= cycle
                && (same_allowed || draft.src != Some(number))
                && (chained_products || !chained)
                && register.last != Some((group, draft.parameter))
                && (kind != Kind::IaddRs || number != NO_SUM_REGISTER)
        });
        draft.dst = candidates.choose(self.generator);
        draft.dst.is_some()
    }
}

/// Waits a few cycles until `choose` succeeds. Both cycles stay where the waiting ended.
fn wait(cycle: &mut u32, scheduled: &mut u32, mut choose: impl FnMut(u32) -> bool) -> bool {
    for _ in 0..LOOK_FORWARD_CYCLES {
        if choose(*scheduled) {
            return true;
        }
        *scheduled += 1;
        *cycle += 1;
    }
    false
}

/// Makes the next program (specs 6.3).
pub fn generate(config: &Config, generator: &mut Blake2Generator) -> Program {
    let latency = config.superscalar_latency;
    let most_instructions = 3 * latency as usize + 2;
    let mut model = Model {
        generator,
        registers: [Register { ready: 0, last: None }; 8],
        busy: vec![0; (latency + LOOK_FORWARD_CYCLES) as usize],
    };
    let mut instructions: Vec<Instruction> = Vec::with_capacity(most_instructions);
    // The instruction at hand and which of its operations is next; all are done in the beginning.
    let mut current: Option<Draft> = None;
    let mut next_operation = 0;
    let (mut cycle, mut result_cycle, mut multiplications, mut thrown_away) = (0, 0, 0, 0);
    let mut saturated = false;

    for decode_cycle in 0..latency {
        if saturated || instructions.len() >= most_instructions {
            break;
        }
        let last = current.map(|draft| draft.kind);
        let group = Group::choose(last, decode_cycle, multiplications, model.generator);
        let mut slot = 0;
        while slot < group.0.len() {
            let top_cycle = cycle;
            let mut draft = match current {
                Some(draft) if next_operation < draft.kind.operations().len() => draft,
                _ if saturated || instructions.len() >= most_instructions => break,
                _ => {
                    next_operation = 0;
                    Draft::new(group.kind(slot, model.generator), model.generator)
                }
            };
            current = Some(draft);
            let kind = draft.kind;
            let operation = &kind.operations()[next_operation];
            let earliest = if operation.waits { cycle.max(result_cycle) } else { cycle };
            let Some((mut scheduled, _)) = model.schedule(operation, earliest) else {
                saturated = true;
                break;
            };

            let mut found = true;
            if kind.source_operation() == Some(next_operation) {
                found = wait(&mut cycle, &mut scheduled, |at| model.choose_source(&mut draft, at));
            }
            if found && kind.destination_operation() == next_operation {
                let chained = thrown_away > 0;
                found =
                    wait(&mut cycle, &mut scheduled, |at| model.choose_destination(&mut draft, at, chained));
            }
            current = Some(draft);
            if !found && thrown_away < THROWN_AWAY {
                thrown_away += 1;
                next_operation = kind.operations().len();
                continue;
            }
            if !found {
                current = None;
                break;
            }
            thrown_away = 0;

            let Some((scheduled, ports)) = model.schedule(operation, scheduled) else {
                saturated = true;
                break;
            };
            if let Some(busy) = model.busy.get_mut(scheduled as usize) {
                *busy |= ports;
            }
            result_cycle = scheduled + operation.latency;
            if let Some(dst) = draft.dst.filter(|_| kind.result_operation() == next_operation) {
                let last = Some((kind.group(), draft.parameter));
                model.registers[usize::from(dst)] = Register { ready: result_cycle, last };
            }
            slot += 1;
            next_operation += 1;
            saturated |= scheduled >= latency;
            cycle = top_cycle;
            if next_operation >= kind.operations().len()
                && let Some(instruction) = draft.finished()
            {
                multiplications += u32::from(instruction.is_multiplication());
                instructions.push(instruction);
            }
        }
        cycle += 1;
    }
    Program::new(instructions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RX_0;

    /// Hashes of the encoded programs that the reference implementation's own tests expect for this key.
    const PUBLISHED: [&str; 10] = [
        "d3a4a6623738756f77e6104469102f082eff2a3e60be7ad696285ef7dfc72a61",
        "f5e7e0bbc7e93c609003d6359208688070afb4a77165a552ff7be63b38dfbc86",
        "85ed8b11734de5b3e9836641413a8f36e99e89694f419c8cd25c3f3f16c40c5a",
        "5dd956292cf5d5704ad99e362d70098b2777b2a1730520be52f772ca48cd3bc0",
        "6f14018ca7d519e9b48d91af094c0f2d7e12e93af0228782671a8640092af9e5",
        "134be097c92e2c45a92f23208cacd89e4ce51f1009a0b900dbe83b38de11d791",
        "268f9392c20c6e31371a5131f82bd7713d3910075f2f0468baafaa1abd2f3187",
        "c668a05fd909714ed4a91e8d96d67b17e44329e88bc71e0672b529a3fc16be47",
        "99739351315840963011e4c5d8e90ad0bfed3facdcb713fe8f7138fbf01c4c94",
        "14ab53d61880471f66e80183968d97effd5492b406876060e595fcf9682f9295",
    ];

    #[test]
    fn published_programs() {
        let mut generator = Blake2Generator::new(b"test key 000");
        for expected in PUBLISHED {
            let program = generate(&RX_0, &mut generator);
            let mut state = blake2b_simd::Params::new().hash_length(32).to_state();
            for instruction in &program.instructions {
                let Instruction { kind, dst, src, modifier, imm32, .. } = *instruction;
                state.update(&[kind as u8, dst, src, modifier]).update(&imm32.to_le_bytes());
            }
            assert_eq!(state.finalize().to_hex().as_str(), expected);
        }
    }

    #[test]
    fn programs_keep_the_rules_for_operands() {
        for key in 0..50u8 {
            let program = generate(&RX_0, &mut Blake2Generator::new(&[key]));
            assert!((300..=3 * 170 + 2).contains(&program.instructions.len()));
            assert!(program.address_register < 8);
            for instruction in &program.instructions {
                let Instruction { kind, dst, src, imm32, .. } = *instruction;
                match kind {
                    Kind::IsubR | Kind::IxorR | Kind::ImulR => assert_ne!(dst, src),
                    Kind::IaddRs => assert!(dst != src && dst != NO_SUM_REGISTER),
                    Kind::IrorC => assert!((1..64).contains(&imm32)),
                    Kind::ImulRcp => assert!(!imm32.is_power_of_two() && imm32 != 0),
                    _ => {}
                }
            }
        }
    }
}
