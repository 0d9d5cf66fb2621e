// My account: who I am, how I sign in, where I am signed in, and what acts for me.
import { Alert, Stack } from '@mantine/core'
import { getRouteApi } from '@tanstack/react-router'
import { Empty } from '../parts/empty.tsx'
import { Page } from '../parts/page.tsx'
import { useMe } from '../shell.tsx'
import { ApiTokensSection } from './account/api-tokens.tsx'
import { OwnProfile } from './account/own-profile.tsx'
import { PasswordSection } from './account/password.tsx'
import { SecondFactorSection } from './account/second-factor.tsx'
import { SessionsSection } from './account/sessions.tsx'

const route = getRouteApi('/shell/account')

export default function Account() {
  const { user } = useMe()
  const { welcome } = route.useSearch()
  if (!user) {
    return (
      <Page title="My account" width="narrow">
        <Empty title="The operator has no account here">Sign in as a person to see theirs.</Empty>
      </Page>
    )
  }
  return (
    <Page title="My account" description={user.email} width="narrow">
      <Stack gap="md">
        {welcome && (
          <Alert color="pine" variant="light" title="Welcome! One last step">
            Check how colleagues see you, and choose your time zone and language.
          </Alert>
        )}
        <div className="card">
          <OwnProfile user={user} />
        </div>
        <div className="card">
          <PasswordSection user={user} />
        </div>
        <div className="card">
          <SecondFactorSection />
        </div>
        <div className="card">
          <SessionsSection />
        </div>
        <div className="card">
          <ApiTokensSection />
        </div>
      </Stack>
    </Page>
  )
}
