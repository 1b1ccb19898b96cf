"""What other workflow engines are told to use a deployment: its queues, roles and bucket, in each one's own words."""
