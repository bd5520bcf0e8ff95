# The agent and nothing else: no shell, no package manager, no root. `make image` builds it.
FROM scratch
COPY bin/image/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chown=65532:65532 bin/image/data /var/lib/assayer
COPY bin/image/assayer /assayer
USER 65532:65532
VOLUME /var/lib/assayer
EXPOSE 9797
ENTRYPOINT ["/assayer"]
# The agent listens on loopback unless told otherwise. Outside a pod, add
# --web.listen-address 0.0.0.0:9797 and publish the port only where it is meant to be seen.
CMD ["run", "--config", "/etc/assayer/assayer.yaml"]
