// The page's entry: theme, client, routes.
import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import './styles/page.css'
import './styles/people.css'
import './styles/lists.css'
import './styles/sections.css'
import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { queryClient, whenSignedOut } from './api.ts'
import { router } from './router.tsx'
import { styleNonce, theme } from './theme.ts'

// the dialogs' scroll lock creates a style element and asks for the nonce here
Object.assign(globalThis, { __webpack_nonce__: styleNonce() })

whenSignedOut(() => {
  const { pathname, href } = router.state.location
  if (pathname === '/sign-in') return
  queryClient.clear()
  void router.navigate({ to: '/sign-in', search: { next: href } })
})

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={styleNonce}>
      <QueryClientProvider client={queryClient}>
        <Notifications position="bottom-right" limit={3} />
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>
)
