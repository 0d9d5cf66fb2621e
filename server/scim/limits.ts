// Limits that ServiceProviderConfig publishes and lists keep.

/** Resources on a page when a client names no count. */
export const DEFAULT_PAGE_SIZE = 100
export const MAX_PAGE_SIZE = 1_000
/** How long a cursor of RFC 9865 works. */
export const CURSOR_TIMEOUT_SECONDS = 3_600

/** How paths are matched, wherever the routes are served. */
export const ROUTER_OPTIONS = { ignoreTrailingSlash: true, maxParamLength: 5_000 }
