// Limits that ServiceProviderConfig publishes and lists enforce.

/** Resources per page when a client sends no count. */
export const DEFAULT_PAGE_SIZE = 100
export const MAX_PAGE_SIZE = 1_000
/** How long a cursor of RFC 9865 stays valid. */
export const CURSOR_TIMEOUT_SECONDS = 3_600

/** How paths match, wherever the routes are mounted. */
export const ROUTER_OPTIONS = { ignoreTrailingSlash: true, maxParamLength: 5_000 }
