// Shown once a token is created: the two values for the identity provider's console.
import { Stack } from '@mantine/core'
import { CopyField, CopyOnce } from '../../parts/copy-once.tsx'

interface TokenSecretProps {
  made: { token: string; baseUrl: string }
  onClose: () => void
}

export function TokenSecret({ made, onClose }: TokenSecretProps) {
  return (
    <Stack gap="md">
      <CopyField label="Base URL" value={made.baseUrl} />
      <CopyOnce label="Token" value={made.token} onCopied={onClose} />
    </Stack>
  )
}
