// Request ids.
import { newId } from '../db/ids.ts'

export const newRequestId = (): string => newId(Date.now())
