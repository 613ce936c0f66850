"""Uploads, files, folders and quotas."""
