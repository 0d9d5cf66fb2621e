/** A pattern for `t.match` that only an empty list matches; `[]` would match any list. */
export const EMPTY = { length: 0 } as const
