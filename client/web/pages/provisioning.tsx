// How identity providers reach this organisation: the address, their tokens, and the set-up on their side.
import { Alert, Button, Skeleton, Text, Title } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconInfoCircle, IconPlugConnected, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { trpc } from '../api.ts'
import { CopyField } from '../parts/copy-once.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { ButtonLink } from '../parts/link.tsx'
import { OpenConflicts } from '../parts/open-conflicts.tsx'
import { Page } from '../parts/page.tsx'
import { useNow } from '../parts/time.tsx'
import { ConnectionCard } from './provisioning/connection-card.tsx'
import { connectionsOf } from './provisioning/connections.ts'
import { CreateToken } from './provisioning/create-token.tsx'
import { Guides } from './provisioning/guide-view.tsx'
import { GUIDES } from './provisioning/guides.ts'
import { RemovedConnections } from './provisioning/removed.tsx'
import { Trial } from './provisioning/trial.tsx'
import './provisioning/provisioning.css'

const route = getRouteApi('/shell/provisioning')

/** The most that a list returns; a tenant has a handful of identity providers. */
const MAX_TOKENS = 200
const REFRESHED = { refetchInterval: 60_000 }

export default function ProvisioningPage() {
  const { guide } = route.useSearch()
  const navigate = route.useNavigate()
  const [isCreating, creating] = useDisclosure()
  const baseUrl = `${window.location.origin}/scim/v2`
  const showGuide = (profile: string) => navigate({ search: { guide: profile }, replace: true, resetScroll: false })
  const actions = (
    <>
      <ButtonLink to="/provisioning/conflicts" variant="default" rightSection={<OpenConflicts />}>
        Conflicts
      </ButtonLink>
      <Button leftSection={<IconPlus size={16} />} onClick={creating.open}>
        Create token
      </Button>
    </>
  )
  return (
    <Page
      title="Provisioning"
      description="Identity providers add, change and deactivate people here by SCIM 2.0."
      actions={actions}
    >
      <div className="card provisioning-section">
        <div className="card-section">
          <CopyField label="Base URL" value={baseUrl} />
          <LocalNote />
        </div>
      </div>
      <Title order={2} mb="xs">
        Connections
      </Title>
      <div className="card provisioning-section">
        <Connections onCreate={creating.open} />
      </div>
      <RemovedConnections />
      <Title order={2} mb={4}>
        Set up your identity provider
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        Create a token first, then follow the steps in the console of your provider.
      </Text>
      <div className="card card-section">
        <Guides baseUrl={baseUrl} shown={guide} onShow={showGuide} />
      </div>
      <Title order={2} mt="xl" mb={4}>
        Test it first
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        Plays the requests of a provider against this organisation and takes them back. No token is needed, nobody is
        changed, no mail leaves.
      </Text>
      <div className="card card-section">
        <Trial />
      </div>
      <CreateToken
        opened={isCreating}
        onClose={creating.close}
        profile={GUIDES.find(({ profile }) => profile === guide)?.profile ?? 'auto'}
        onMade={(profile) => {
          if (GUIDES.some((known) => known.profile === profile)) void showGuide(profile)
        }}
      />
    </Page>
  )
}

function Connections({ onCreate }: { onCreate: () => void }) {
  const now = useNow()
  const tokens = useQuery(trpc.scimTokens.list.queryOptions({ limit: MAX_TOKENS }, REFRESHED))
  const errors = useQuery(trpc.scimTokens.errors.queryOptions(undefined, REFRESHED))
  if (!tokens.data) {
    return (
      <div className="card-section">
        {tokens.error ? <Failure error={tokens.error} retry={() => tokens.refetch()} /> : <Skeleton height={96} />}
      </div>
    )
  }
  // the error figures are shown if available; the tokens matter more
  const connections = connectionsOf(tokens.data.items, errors.data?.connections ?? [], now)
  if (connections.length > 0) {
    return connections.map((connection) => <ConnectionCard key={connection.id} connection={connection} />)
  }
  return (
    <Empty
      icon={IconPlugConnected}
      title="No identity provider is connected"
      action={
        <Button mt="xs" onClick={onCreate}>
          Create token
        </Button>
      }
    >
      Create a token, then paste it with the base URL into the console of your provider. The steps are below.
    </Empty>
  )
}

/** Cloud providers cannot reach a developer's machine. */
function LocalNote() {
  if (!/(^|\.)localhost$/.test(window.location.hostname)) return null
  return (
    <Alert color="gray" variant="light" icon={<IconInfoCircle size={18} />} mt="md" p="sm">
      Providers in the cloud cannot reach localhost. Try it with a tool on this machine, or through a tunnel with a
      public name.
    </Alert>
  )
}
