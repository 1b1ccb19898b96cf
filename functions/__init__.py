"""Code of Lambda functions, one file a function, which goes into the template as it is: 4,096 characters at most.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
"""
