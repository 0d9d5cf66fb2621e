// All that somebody sees who has not yet set up the second factor that their organisation requires.
import { Box, Button, Group, Stack, Text, Title } from '@mantine/core'
import { queryClient } from '../api.ts'
import { useDocumentTitle } from '../parts/page.tsx'
import { useMe, useSignOut } from '../shell.tsx'
import { SetUpSecondFactor } from './account/second-factor.tsx'

export default function MustSetUp() {
  useDocumentTitle('One more step')
  const { tenant } = useMe()
  const signOut = useSignOut()
  return (
    <Box component="main" id="content" maw={640} mx="auto" p="md" pt="xl">
      <Stack gap="md" className="card card-section">
        <Title order={1}>One more step</Title>
        <Text size="sm">
          {tenant.name} asks for a second factor beside the password: a code of an app on your phone.
        </Text>
        <SetUpSecondFactor onDone={() => void queryClient.invalidateQueries()} />
        <Group justify="flex-end">
          <Button variant="subtle" color="gray" loading={signOut.isPending} onClick={() => signOut.mutate({})}>
            Sign out
          </Button>
        </Group>
      </Stack>
    </Box>
  )
}
