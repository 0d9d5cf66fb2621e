// fast-check with the same seed in every run, so that a test that passed passes again. FUZZ_SEED sets another one.
import fc from 'fast-check'

export const FUZZ_SEED = Number(process.env.FUZZ_SEED ?? 20_261_124)
fc.configureGlobal({ seed: FUZZ_SEED })

export default fc
