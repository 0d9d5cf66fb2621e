// How hard a password is to guess. The word lists are large, so they load when somebody starts typing one. This only
// advises: the service decides which passwords are accepted.

export interface Strength {
  /** 0 (guessed at once) to 4 (out of reach). */
  score: 0 | 1 | 2 | 3 | 4
  hint: string | undefined
}

/** Longer passwords are cut: the estimate's time grows with the square of the length. */
const MAX_ESTIMATED_LENGTH = 48

const HINTS: Record<string, string> = {
  bruteforce: '',
  dictionary: 'A known word or name is most of it',
  spatial: 'Keys beside one another are tried early',
  repeat: 'Repeating makes it hardly harder',
  sequence: 'Sequences such as abc or 123 are tried early',
  regex: 'Years are tried early',
  date: 'Dates are tried early',
  separator: ''
}

let loaded: Promise<(password: string, words: string[]) => Strength> | undefined

/** @param words what somebody who knows the person would try */
export async function estimate(password: string, words: string[]): Promise<Strength> {
  loaded ??= load()
  return (await loaded)(password, words)
}

async function load() {
  const [{ ZxcvbnFactory }, { adjacencyGraphs, dictionary }] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common')
  ])
  const estimator = new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs })
  return (password: string, words: string[]): Strength => {
    const { score, sequence } = estimator.check(password.slice(0, MAX_ESTIMATED_LENGTH), words)
    const longest = [...sequence].sort((a, b) => b.token.length - a.token.length)[0]
    return { score, hint: score < 3 ? HINTS[longest?.pattern ?? ''] || undefined : undefined }
  }
}
