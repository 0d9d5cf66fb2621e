// Every path of the page. Pages load on demand; the server serves the same entry for each (web.ts).
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet } from '@tanstack/react-router'
import { queryClient } from './api.ts'
import { NotFound, PageError } from './parts/failures.tsx'
import { Shell } from './shell.tsx'

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound, errorComponent: PageError })

/** The text parameters of a page's address: each is a non-empty string or absent. */
const textSearch =
  <const K extends string>(...names: K[]) =>
  (search: Record<string, unknown>): { [N in K]?: string } => {
    const found: { [N in K]?: string } = {}
    for (const name of names) {
      const value = search[name]
      if (typeof value === 'string' && value !== '') found[name] = value
    }
    return found
  }

// without a session
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: textSearch('next', 'error'),
  component: lazyRouteComponent(() => import('./pages/sign-in.tsx'))
})
const accept = createRoute({
  getParentRoute: () => root,
  path: '/accept',
  validateSearch: textSearch('token'),
  component: lazyRouteComponent(() => import('./pages/accept.tsx'))
})
const reset = createRoute({
  getParentRoute: () => root,
  path: '/reset',
  validateSearch: textSearch('token'),
  component: lazyRouteComponent(() => import('./pages/reset.tsx'))
})
const forgotPassword = createRoute({
  getParentRoute: () => root,
  path: '/forgot-password',
  validateSearch: textSearch('email'),
  component: lazyRouteComponent(() => import('./pages/forgot-password.tsx'))
})
/** On the base domain: the operator's page, which signs in with the operator token. */
const tenants = createRoute({
  getParentRoute: () => root,
  path: '/tenants',
  validateSearch: textSearch('search'),
  component: lazyRouteComponent(() => import('./pages/tenants.tsx'))
})

// with a session, inside the shell
const shell = createRoute({ getParentRoute: () => root, id: 'shell', component: Shell })
const home = createRoute({
  getParentRoute: () => shell,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/home.tsx'))
})
const users = createRoute({
  getParentRoute: () => shell,
  path: '/users',
  validateSearch: textSearch('search', 'role', 'state', 'sort', 'direction', 'invite'),
  component: lazyRouteComponent(() => import('./pages/users.tsx'))
})
const user = createRoute({
  getParentRoute: () => shell,
  path: '/users/$userId',
  component: lazyRouteComponent(() => import('./pages/user.tsx'))
})
const invitations = createRoute({
  getParentRoute: () => shell,
  path: '/invitations',
  validateSearch: textSearch('state', 'search'),
  component: lazyRouteComponent(() => import('./pages/invitations.tsx'))
})
const groups = createRoute({
  getParentRoute: () => shell,
  path: '/groups',
  validateSearch: textSearch('search'),
  component: lazyRouteComponent(() => import('./pages/groups.tsx'))
})
const group = createRoute({
  getParentRoute: () => shell,
  path: '/groups/$groupId',
  validateSearch: textSearch('search', 'tab'),
  component: lazyRouteComponent(() => import('./pages/group.tsx'))
})
const groupRoles = createRoute({
  getParentRoute: () => shell,
  path: '/group-roles',
  component: lazyRouteComponent(() => import('./pages/group-roles.tsx'))
})
const provisioning = createRoute({
  getParentRoute: () => shell,
  path: '/provisioning',
  validateSearch: textSearch('guide'),
  component: lazyRouteComponent(() => import('./pages/provisioning.tsx'))
})
const conflicts = createRoute({
  getParentRoute: () => shell,
  path: '/provisioning/conflicts',
  validateSearch: textSearch('state'),
  component: lazyRouteComponent(() => import('./pages/conflicts.tsx'))
})
const connection = createRoute({
  getParentRoute: () => shell,
  path: '/provisioning/$connectionId',
  validateSearch: textSearch('tab'),
  component: lazyRouteComponent(() => import('./pages/connection.tsx'))
})
const events = createRoute({
  getParentRoute: () => shell,
  path: '/events',
  component: lazyRouteComponent(() => import('./pages/events.tsx'))
})
const eventStream = createRoute({
  getParentRoute: () => shell,
  path: '/events/$streamId',
  component: lazyRouteComponent(() => import('./pages/event-stream.tsx'))
})
const audit = createRoute({
  getParentRoute: () => shell,
  path: '/audit',
  validateSearch: textSearch('action', 'actor', 'target', 'from', 'to', 'search'),
  component: lazyRouteComponent(() => import('./pages/audit.tsx'))
})
const settings = createRoute({
  getParentRoute: () => shell,
  path: '/settings',
  component: lazyRouteComponent(() => import('./pages/settings.tsx'))
})
const account = createRoute({
  getParentRoute: () => shell,
  path: '/account',
  validateSearch: textSearch('welcome'),
  component: lazyRouteComponent(() => import('./pages/account.tsx'))
})

export const router = createRouter({
  routeTree: root.addChildren([
    signIn,
    accept,
    reset,
    forgotPassword,
    tenants,
    shell.addChildren([
      home,
      users,
      user,
      invitations,
      groups,
      group,
      groupRoles,
      provisioning,
      conflicts,
      connection,
      events,
      eventStream,
      audit,
      settings,
      account
    ])
  ]),
  // every value is plain text: `search=123` is what somebody typed, not a number
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const given = Object.entries(search as Record<string, string | undefined>).filter(
      ([, value]) => value !== undefined
    )
    const text = new URLSearchParams(given as [string, string][]).toString()
    return text && `?${text}`
  },
  defaultPreload: 'intent',
  scrollRestoration: true,
  context: { queryClient }
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
