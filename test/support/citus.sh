#!/bin/sh
# Runs a Citus cluster on this machine for tests: a coordinator and two workers, on loopback only, without durability.
#   test/support/citus.sh start [FOLDER] [FIRST_PORT]   prints the value for TEST_CITUS_NODES
#   test/support/citus.sh stop  [FOLDER]                stops it and deletes the folder
#   test/support/citus.sh crash FOLDER NODE             stops a node (such as worker1); it loses what is not on disk
#   test/support/citus.sh revive FOLDER NODE            starts it again
# With DURABLE=1 in the environment it keeps what was committed.
# It needs PostgreSQL's programs and the citus extension, from PG_BIN or as `pg_config` says. PostgreSQL does not run as
# root: `su postgres -c 'test/support/citus.sh start'`.
set -eu

command=${1:-}
folder=${2:-/tmp/muster-citus}
first_port=${3:-6500}
bin=${PG_BIN:-$(pg_config --bindir)}
nodes='coordinator worker1 worker2'

start() {
  mkdir -p "$folder"
  port=$first_port
  urls=''
  for node in $nodes; do
    "$bin/initdb" -D "$folder/$node" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$folder/$node.log"
    cat >>"$folder/$node/postgresql.conf" <<EOF
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder'
shared_preload_libraries = 'citus'
# all tables are distributed in one transaction, and several test files run at the same time
max_connections = 400
max_prepared_transactions = 400
max_locks_per_transaction = 512
max_worker_processes = 40
wal_level = logical
citus.shard_count = 4
citus.enable_statistics_collection = off
EOF
    if [ -z "${DURABLE:-}" ]; then
      printf '%s\n' 'fsync = off' 'synchronous_commit = off' 'full_page_writes = off' >>"$folder/$node/postgresql.conf"
    fi
    "$bin/pg_ctl" -D "$folder/$node" -l "$folder/$node.log" -w start >/dev/null
    urls="$urls,postgres://postgres@127.0.0.1:$port/postgres"
    port=$((port + 1))
  done
  echo "TEST_CITUS_NODES=${urls#,}"
}

stop() {
  for node in $nodes; do
    if [ -f "$folder/$node/postmaster.pid" ]; then "$bin/pg_ctl" -D "$folder/$node" -m immediate -w stop >/dev/null; fi
  done
  rm -rf "$folder"
}

crash() { "$bin/pg_ctl" -D "$folder/$1" -m immediate -w stop >/dev/null; }

revive() { "$bin/pg_ctl" -D "$folder/$1" -l "$folder/$1.log" -w start >/dev/null; }

case $command in
  start | stop) "$command" ;;
  crash | revive) "$command" "$3" ;;
  *) echo "usage: $0 start|stop [folder] [first port], or crash|revive folder node" >&2; exit 2 ;;
esac
