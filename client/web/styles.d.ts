// The bundler handles style sheets; for the type checker, importing one has no value.
declare module '*.css'
