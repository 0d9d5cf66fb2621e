import { router } from './trpc.ts'

export const apiTokensRouter = router({})
