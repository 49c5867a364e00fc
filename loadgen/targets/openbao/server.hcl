# OpenBao for one run: nothing but the audit log touches the disk.
ui = false
disable_clustering = true
log_level = "error"
api_addr = "http://127.0.0.1:@PORT@"
default_lease_ttl = "876000h"
max_lease_ttl = "876000h"

storage "inmem" {}

listener "tcp" {
  address = "127.0.0.1:@PORT@"
  tls_disable = true
  # agents present X.509-SVIDs as behind a TLS-terminating proxy on this machine (RFC 9440)
  x_forwarded_for_authorized_addrs = "127.0.0.0/8"
  x_forwarded_for_reject_not_present = false
  x_forwarded_for_reject_not_authorized = false
  x_forwarded_for_client_cert_header = "Client-Cert"
  x_forwarded_for_client_cert_decoders = ["RFC9440"]
}

audit "file" "midas" {
  options = {
    file_path = "@AUDIT@"
    hmac_accessor = "false"
  }
}
