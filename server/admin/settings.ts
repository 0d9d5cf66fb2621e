import { router } from './trpc.ts'

export const settingsRouter = router({})
