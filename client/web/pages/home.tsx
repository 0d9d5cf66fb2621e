// The start page: the people. A new user who came in with Google first completes their profile.
import { Navigate } from '@tanstack/react-router'
import { useMe } from '../shell.tsx'

/** Minutes after activation during which the profile is asked for. */
const NEW_FOR_MINUTES = 10

export default function Home() {
  const { user } = useMe()
  const ageMs = Date.now() - Date.parse(user?.activatedAt ?? '')
  const isNew = ageMs >= 0 && ageMs < NEW_FOR_MINUTES * 60_000
  if (isNew && !user?.timeZone) return <Navigate to="/account" search={{ welcome: 'true' }} replace />
  return <Navigate to="/users" replace />
}
