#!/usr/bin/env bash
# `nsplan probe` and `nsplan plan` become facts and a plan for root and for a user, without a privilege.
# as: root user
. /vm/cases/lib
is "the facts are printed" 0 "$(code nsplan probe)"
said > "/tmp/facts-$VM_AS.json"
is "and name this kernel" "$(uname -r)" "$(sed -n 's/.*"release": "\(.*\)".*/\1/p' "/tmp/facts-$VM_AS.json")"
here=$(nsplan plan -- true 2>&1)
there=$(nsplan plan --host "/tmp/facts-$VM_AS.json" -- true 2>&1)
is "a plan from the file is the plan made here" "$here" "$there"
