import { router } from './trpc.ts'

export const groupsRouter = router({})
