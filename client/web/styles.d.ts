// Style sheets are for the bundler: to the type checker an import of one has no value.
declare module '*.css'
