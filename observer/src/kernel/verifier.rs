//! What the verifier walks through in each program of the embedded object, whatever its kind and hook:
//! for tests of what programs may cost. It attaches nothing.

use std::collections::BTreeMap;

use aya::programs::{Program, ProgramError};

use super::Object;

impl Object {
    /// Loads every program; its verified instructions by its name, or why the kernel refused it.
    pub fn verify(&mut self) -> BTreeMap<String, Result<u32, ProgramError>> {
        let programs = self.ebpf.programs_mut();
        programs
            .map(|(name, program)| (name.to_owned(), verified(program)))
            .collect()
    }
}

fn verified(program: &mut Program) -> Result<u32, ProgramError> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "aya's list of program kinds, not ours"
    )]
    let info = match program {
        Program::SchedClassifier(program) => program.load().and_then(|()| program.info()),
        Program::Xdp(program) => program.load().and_then(|()| program.info()),
        Program::RawTracePoint(program) => program.load().and_then(|()| program.info()),
        _ => Err(ProgramError::UnexpectedProgramType),
    }?;
    // Known since Linux 5.16.
    info.verified_instruction_count()
        .ok_or(ProgramError::UnexpectedProgramType)
}
