"""SPIRE's messages: ``spire_api_pb2`` is generated from ``spire_api.proto``, see there."""
