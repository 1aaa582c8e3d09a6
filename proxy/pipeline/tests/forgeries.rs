//! What must not compile outside of the pipeline: each file of `forgeries/` makes proofs by hand, skips stages, sends bytes
//! without a proof or uses one twice, and the compiler's words for it lie beside it.
//!
//! After a change of the toolchain, `TRYBUILD=overwrite` writes the words anew: read them before they are kept.

#[test]
fn nobody_outside_makes_a_proof_or_sends_without_one() {
    let forgeries = trybuild::TestCases::new();
    forgeries.compile_fail("tests/forgeries/*.rs");
}
