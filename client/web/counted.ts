// Puts counts into words.

/** `1 person`, `12,345 people` */
export const counted = (count: number, one: string, many: string): string =>
  `${count.toLocaleString()} ${count === 1 ? one : many}`

export const peopleInWords = (people: number): string => counted(people, 'person', 'people')
